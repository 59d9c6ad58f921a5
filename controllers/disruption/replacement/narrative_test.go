package replacement_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/controllers/disruption/replacement"
	"github.com/k8sm/k8sm/controllers/disruptionbudget"
)

var update = flag.Bool("update", false, "write the narratives anew")

var noon = time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)

// world is a pool of a fixed size in memory: it starts and drains nodes as its settings say, and
// does what replacement.Decide plans. It takes a step of ten seconds at a time.
type world struct {
	now   time.Time
	size  int
	nodes []*worldNode
	made  int
	// room is the number of nodes that Mesos has room for; 0 for any number.
	room int
	// boot and drain are the steps that a node takes to be ready, and to go.
	boot, drain int
	surge       int
	unavailable int
	minReady    time.Duration
	budgets     []v1alpha1.DisruptionBudget
	reason      v1alpha1.DisruptionReason
	wanted      int          // the revision that nodes should have
	broken      map[int]bool // revisions whose nodes never become ready
	held        map[string]string
	random      *rand.Rand
	log         []string
	// most and fewest are the extremes that were seen.
	most, fewest int
}

type worldNode struct {
	name, zone, replaces string
	revision             int
	created, readySince  time.Time
	launched, leaving    bool
	noRoomSince          time.Time
	steps                int // until it is ready, or gone
}

func newWorld(size int, change ...func(*world)) *world {
	w := &world{now: noon, size: size, boot: 3, drain: 2, surge: 1, unavailable: 1, reason: v1alpha1.DisruptionOutdated, broken: map[int]bool{}, fewest: size}
	for i := range size {
		n := w.create("")
		n.zone, n.launched, n.readySince = string(rune('a'+i%2)), true, noon.Add(-time.Hour)
		n.created = noon.Add(-time.Duration(24+size-i) * time.Hour)
	}
	w.wanted = 2
	for _, c := range change {
		c(w)
	}
	return w
}

func (w *world) create(replaces string) *worldNode {
	w.made++
	n := &worldNode{name: fmt.Sprintf("n%02d", w.made), replaces: replaces, revision: max(w.wanted, 1), created: w.now, steps: w.boot, zone: string(rune('a' + w.made%2))}
	w.nodes = append(w.nodes, n)
	return n
}

func (w *world) find(name string) *worldNode {
	for _, n := range w.nodes {
		if n.name == name && !n.leaving {
			return n
		}
	}
	return nil
}

func (w *world) alive() (out []*worldNode) {
	for _, n := range w.nodes {
		if !n.leaving {
			out = append(out, n)
		}
	}
	return out
}

func (w *world) say(format string, args ...any) {
	w.log = append(w.log, fmt.Sprintf("%5s  ", w.now.Sub(noon))+fmt.Sprintf(format, args...))
}

// input describes the world to Decide.
func (w *world) input() replacement.Pool {
	p := replacement.Pool{Now: w.now, Size: w.size, MaxSurge: w.surge, MaxUnavailable: w.unavailable, MinReady: w.minReady}
	usage := disruptionbudget.Usage{}
	for _, n := range w.nodes {
		usage.Nodes++
		if n.leaving {
			p.Leaving++
			usage.Disrupted++
			continue
		}
		node := replacement.Node{Name: n.name, Zone: n.zone, Created: n.created, ReadySince: n.readySince, Launched: n.launched, NoRoomSince: n.noRoomSince, Replaces: n.replaces}
		if n.revision != w.wanted {
			node.Reason, node.Cause = w.reason, fmt.Sprintf("it is of revision %d", n.revision)
		}
		p.Nodes = append(p.Nodes, node)
	}
	budgets := disruptionbudget.New(&v1alpha1.MesosNodePool{Spec: v1alpha1.MesosNodePoolSpec{Disruption: v1alpha1.Disruption{Budgets: w.budgets}}})
	p.Allow = func(reason v1alpha1.DisruptionReason) disruptionbudget.Allowance {
		return budgets.Allow(reason, w.now, usage)
	}
	p.Held = func(name string) string { return w.held[name] }
	return p
}

// step decides once, does what was planned, and lets ten seconds pass.
func (w *world) step() (plan replacement.Plan) {
	plan = replacement.Decide(w.input())
	for _, name := range plan.Dissolve {
		w.say("dissolve %s", name)
		w.remove(name)
	}
	for _, removal := range plan.Remove {
		w.say("remove %s: %s", removal.Name, removal.Cause)
		w.remove(removal.Name)
	}
	for _, old := range plan.Create {
		n := w.create(old)
		w.say("create %s in the place of %s", n.name, old)
	}
	w.scale()
	w.pass()
	return plan
}

func (w *world) remove(name string) {
	if n := w.find(name); n != nil {
		n.leaving, n.steps, n.readySince = true, w.drain, time.Time{}
	}
}

// scale does what the controller of pools does: it creates what is missing, and deletes what is one
// too many, outdated nodes first.
func (w *world) scale() {
	alive, pairs := w.alive(), 0
	for _, n := range alive {
		if n.replaces != "" && w.find(n.replaces) != nil {
			pairs++
		}
	}
	for range w.size + pairs - len(alive) {
		w.say("create %s", w.create("").name)
	}
	if surplus := len(alive) - w.size - pairs; surplus > 0 {
		slices.SortStableFunc(alive, func(a, b *worldNode) int { return boolean(a.revision == w.wanted) - boolean(b.revision == w.wanted) })
		for _, n := range alive[:surplus] {
			w.say("scale in %s", n.name)
			w.remove(n.name)
		}
	}
}

func boolean(b bool) int {
	if b {
		return 1
	}
	return 0
}

// pass lets ten seconds pass: nodes are launched where there is room, become ready, and go.
func (w *world) pass() {
	w.now = w.now.Add(10 * time.Second)
	order := slices.Clone(w.nodes)
	if w.random != nil {
		w.random.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
	}
	for _, n := range order {
		if w.random != nil && w.random.IntN(3) == 0 {
			continue // nothing happens to it this time
		}
		w.passNode(n)
	}
	ready := 0
	for _, n := range w.alive() {
		if !n.readySince.IsZero() {
			ready++
		}
	}
	w.most, w.fewest = max(w.most, w.used()), min(w.fewest, ready)
}

// used is the number of nodes that hold resources.
func (w *world) used() int {
	used := 0
	for _, n := range w.nodes {
		if n.launched {
			used++
		}
	}
	return used
}

func (w *world) passNode(n *worldNode) {
	switch {
	case n.leaving && !n.launched, n.leaving && n.steps <= 1:
		w.nodes = slices.DeleteFunc(w.nodes, func(other *worldNode) bool { return other == n })
		return
	case n.leaving:
	case !n.launched && w.room > 0 && w.used() >= w.room:
		if n.noRoomSince.IsZero() {
			n.noRoomSince = w.now
		}
		return
	case !n.launched:
		n.launched, n.noRoomSince = true, time.Time{}
	case n.readySince.IsZero() && n.steps <= 1 && !w.broken[n.revision]:
		n.readySince = w.now
		w.say("%s is ready", n.name)
	}
	n.steps--
}

// settle takes steps until every node is as wanted and ready, or the number of steps is used up.
func (w *world) settle(steps int) (settled bool, last replacement.Plan) {
	for range steps {
		last = w.step()
		settled = len(w.nodes) == w.size
		for _, n := range w.nodes {
			settled = settled && n.revision == w.wanted && !n.readySince.IsZero() && !n.leaving
		}
		if settled {
			w.say("done; at most %d nodes, at least %d ready", w.most, w.fewest)
			return true, last
		}
	}
	w.say("not done (%s: %s); at most %d nodes, at least %d ready", last.Obstacle, last.Message, w.most, w.fewest)
	return false, last
}

func TestNarratives(t *testing.T) {
	for name, tell := range map[string]func(*world){
		"surge":                   func(*world) {},
		"surge-of-two":            func(w *world) { w.surge = 2; w.budgets = []v1alpha1.DisruptionBudget{{Nodes: intstr.FromInt32(2)}} },
		"no-surge":                func(w *world) { w.surge = 0 },
		"no-room":                 func(w *world) { w.room = 4 },
		"no-room-nor-unavailable": func(w *world) { w.room, w.unavailable = 4, 0 },
		"min-ready":               func(w *world) { w.minReady = time.Minute },
		"budget-of-one":           func(w *world) { w.surge = 4; w.budgets = []v1alpha1.DisruptionBudget{{Nodes: intstr.FromInt32(1)}} },
		"budget-opens-later": func(w *world) {
			w.budgets = []v1alpha1.DisruptionBudget{{Nodes: intstr.FromInt32(0), Schedule: "0 11 * * *", Duration: &metav1.Duration{Duration: 62 * time.Minute}}}
		},
		"new-nodes-never-ready": func(w *world) { w.broken[2] = true },
		"held-by-pods":          func(w *world) { w.held = map[string]string{"n01": "pods are annotated (default/db)"} },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(4, tell)
			w.settle(60)
			compare(t, name, w.log)
		})
	}
}

// TestRollbackKeepsTheNodesThatStillMatch puts the old template back while the first new node
// starts.
func TestRollbackKeepsTheNodesThatStillMatch(t *testing.T) {
	w := newWorld(4, func(w *world) { w.surge = 2; w.budgets = []v1alpha1.DisruptionBudget{{Nodes: intstr.FromInt32(2)}} })
	for range 2 {
		w.step()
	}
	w.wanted = 1
	w.say("the old template is put back")
	if settled, _ := w.settle(60); !settled {
		t.Error("the pool does not settle")
	}
	compare(t, "rollback", w.log)
}

// TestStuckRolloutIsRolledBack lets a rollout get stuck on nodes that never become ready.
func TestStuckRolloutIsRolledBack(t *testing.T) {
	w := newWorld(4, func(w *world) { w.broken[2] = true })
	w.settle(20)
	if w.fewest < 4 {
		t.Errorf("only %d nodes were ready although the new ones never were", w.fewest)
	}
	w.wanted = 1
	w.say("the old template is put back")
	if settled, _ := w.settle(20); !settled {
		t.Error("the pool does not settle")
	}
	compare(t, "stuck", w.log)
}

func compare(t *testing.T, name string, log []string) {
	t.Helper()
	file, got := filepath.Join("testdata", name+".txt"), strings.Join(log, "\n")+"\n"
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("the narrative has changed (-want +got):\n%s", diff)
	}
}

// TestEveryOrderConverges plays rollouts with random settings, in which nodes take their time and
// the template changes again in between. The bounds hold at every step.
func TestEveryOrderConverges(t *testing.T) {
	for seed := range uint64(300) {
		random := rand.New(rand.NewPCG(seed, 1))
		size := 1 + random.IntN(9)
		w := newWorld(size, func(w *world) {
			w.random, w.boot, w.drain = random, 1+random.IntN(6), 1+random.IntN(6)
			w.surge, w.unavailable = random.IntN(4), random.IntN(3)
			if w.surge+w.unavailable == 0 {
				w.surge = 1
			}
			if random.IntN(3) == 0 && w.unavailable > 0 {
				w.room = size + random.IntN(2)
			}
			w.budgets = []v1alpha1.DisruptionBudget{{Nodes: intstr.FromInt32(int32(1 + random.IntN(4)))}}
		})
		turns := random.IntN(3)
		for i := 0; i < 40*turns; i++ {
			w.step()
			if i%40 == 39 {
				w.wanted = 1 + random.IntN(3)
				w.say("revision %d is wanted", w.wanted)
			}
			w.checkBounds(t, seed)
		}
		if settled, _ := w.settle(2000); !settled {
			t.Fatalf("seed %d does not settle:\n%s", seed, strings.Join(w.log, "\n"))
		}
		w.checkBounds(t, seed)
	}
}

// checkBounds fails if there were more nodes than the surge allows, or fewer ready ones than may
// be unavailable. Nodes of another revision that were dissolved or scaled in count as surge.
func (w *world) checkBounds(t *testing.T, seed uint64) {
	t.Helper()
	if w.fewest < w.size-w.unavailable {
		t.Fatalf("seed %d: only %d of %d nodes were ready, and %d may be unavailable:\n%s", seed, w.fewest, w.size, w.unavailable, strings.Join(w.log, "\n"))
	}
	if limit := w.size + w.surge + w.unavailable; w.most > limit {
		t.Fatalf("seed %d: there were %d nodes, more than %d:\n%s", seed, w.most, limit, strings.Join(w.log, "\n"))
	}
}
