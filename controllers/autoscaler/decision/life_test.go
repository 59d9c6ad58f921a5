package decision_test

import (
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/k8sm/k8sm/controllers/autoscaler/decision"
	"github.com/k8sm/k8sm/controllers/autoscaler/scheduling"
)

const (
	tick = time.Minute
	// boot is how long a node takes to be ready.
	boot = time.Minute
)

// life is a pool under a load that changes: pods come and go, Grow and Shrink decide in
// turn, and what they decide comes true.
type life struct {
	t       *testing.T
	cluster *scheduling.Cluster
	random  *rand.Rand
	pool    decision.ShrinkPool
	shapes  []decision.Shape
	members map[string]*decision.Member
	ready   map[string]time.Time
	pending []*corev1.Pod
	since   map[*corev1.Pod]time.Time // that a pod waits
	pods    []*corev1.Pod
	memory  decision.Memory
	now     time.Time
	made    int

	created, removed, evicted int
	waited                    []time.Duration
	asked, had                float64 // cpu, summed over time
}

func newLife(t *testing.T, shapes ...decision.Shape) *life {
	pool := thrift()
	pool.Budget = intstr.FromString("10%")
	cluster, err := scheduling.New()
	if err != nil {
		t.Fatal(err)
	}
	return &life{t: t, cluster: cluster, random: rand.New(rand.NewPCG(1, 1)), pool: pool, shapes: shapes, members: map[string]*decision.Member{}, ready: map[string]time.Time{}, since: map[*corev1.Pod]time.Time{}, now: noon}
}

// live lets time pass, with as many pods of a cpu as the load says for each moment.
func (l *life) live(d time.Duration, load func(time.Duration) int) {
	l.t.Helper()
	began := l.now
	for l.now.Before(began.Add(d)) && !l.t.Failed() {
		l.scale(load(l.now.Sub(began)))
		l.comeUp()
		l.schedule()
		l.grow()
		l.shrink()
		for _, m := range l.members {
			l.had += m.Node.Status.Allocatable.Cpu().AsApproximateFloat64()
		}
		l.asked += float64(len(l.pods) - len(l.pending))
		l.now = l.now.Add(tick)
	}
}

// scale makes pods, or ends some.
func (l *life) scale(want int) {
	for len(l.pods) < want {
		l.made++
		pod := replica(fmt.Sprintf("p%d", l.made), "1")
		l.pods = append(l.pods, pod)
		l.wait(pod)
	}
	for len(l.pods) > want {
		i := l.random.IntN(len(l.pods))
		pod := l.pods[i]
		l.pods = slices.Delete(l.pods, i, i+1)
		l.pending = slices.DeleteFunc(l.pending, func(p *corev1.Pod) bool { return p == pod })
		if m := l.members[pod.Spec.NodeName]; m != nil {
			l.cluster.RemovePod(pod)
			m.Pods = slices.DeleteFunc(slices.Clone(m.Pods), func(p *corev1.Pod) bool { return p == pod })
		}
	}
}

func (l *life) wait(pod *corev1.Pod) {
	pod.Spec.NodeName = ""
	l.since[pod] = l.now
	l.pending = append(l.pending, pod)
}

func (l *life) comeUp() {
	for name, m := range l.members {
		m.Ready = m.Ready || !l.now.Before(l.ready[name])
	}
}

func (l *life) sorted() []decision.Member {
	var out []decision.Member
	for _, name := range slices.Sorted(maps.Keys(l.members)) {
		out = append(out, *l.members[name])
	}
	return out
}

// schedule does what the kube-scheduler does, on the nodes that are ready.
func (l *life) schedule() {
	mark := l.cluster.Checkpoint()
	for name, m := range l.members {
		if !m.Ready {
			l.cluster.RemoveNode(name)
		}
	}
	var left, placed []*corev1.Pod
	for _, pod := range l.pending {
		node, fits := l.cluster.Place(pod)
		if !fits {
			left = append(left, pod)
			continue
		}
		pod.Spec.NodeName = node
		placed = append(placed, pod)
	}
	l.cluster.Revert(mark)
	for _, pod := range placed {
		if err := l.cluster.AddPod(pod); err != nil {
			l.t.Fatal(err)
		}
		m := l.members[pod.Spec.NodeName]
		m.Pods = append(m.Pods, pod)
		l.waited = append(l.waited, l.now.Sub(l.since[pod]))
	}
	l.pending = left
}

func (l *life) grow() {
	p := l.pool.Pool
	p.Nodes, p.Shapes = len(l.members), l.shapes
	plan := decision.Grow(decision.GrowInput{Cluster: l.cluster, Pods: l.pending, Pools: []decision.Pool{p}})
	if len(plan.Refused) > 0 {
		l.t.Fatalf("refused: %+v", plan.Refused[0])
	}
	l.launch(plan.Launches)
}

func (l *life) launch(launches []decision.Launch) {
	for _, launch := range launches {
		l.created++
		name := fmt.Sprintf("n%03d", l.created)
		i := slices.IndexFunc(l.shapes, func(s decision.Shape) bool { return s.Name == launch.Shape })
		has := l.shapes[i].Node.Status.Allocatable
		m := sized(name, has.Cpu().String(), has.Memory().String())
		m.Created, m.Ready = l.now, false
		l.cluster.AddNode(m.Node)
		l.members[name], l.ready[name] = &m, l.now.Add(boot)
		l.pool.Grown = l.now
	}
}

func (l *life) shrink() {
	p := l.pool
	p.Nodes, p.Shapes, p.Members = len(l.members), l.shapes, l.sorted()
	plan := decision.Shrink(decision.ShrinkInput{Now: l.now, Cluster: l.cluster, Pending: l.pending, Pools: []decision.ShrinkPool{p}, Memory: l.memory})
	l.memory = plan.Memory
	for _, r := range plan.Removals {
		l.removed++
		pods := l.members[r.Node].Pods
		l.cluster.RemoveNode(r.Node)
		for _, pod := range pods {
			l.evicted++
			l.wait(pod)
		}
		delete(l.members, r.Node)
	}
	l.launch(plan.Launches)
}

// story tells how it went.
func (l *life) story() string {
	slices.Sort(l.waited)
	p99 := time.Duration(0)
	if n := len(l.waited); n > 0 {
		p99 = l.waited[n*99/100]
	}
	return fmt.Sprintf("%d nodes created, %d removed, %d pods evicted, %.0f %% used, p99 of waiting %s", l.created, l.removed, l.evicted, 100*l.asked/max(l.had, 1), p99)
}

func (l *life) cpus() float64 {
	sum := 0.0
	for _, m := range l.members {
		sum += m.Node.Status.Allocatable.Cpu().AsApproximateFloat64()
	}
	return sum
}

// Loads of some patterns over a pool of four-cpu nodes: how many nodes come and go, at
// most, and how well they are used, at least.
func TestNodesFollowTheLoadAndDoNotFlap(t *testing.T) {
	t.Parallel()
	hour := func(h float64) time.Duration { return time.Duration(h * float64(time.Hour)) }
	for name, tc := range map[string]struct {
		load             func(time.Duration) int
		lasts            time.Duration
		created, removed int // at most
		used             float64
		left             int // nodes at the end; -1 for any number
	}{
		"a steady load": {
			load: func(time.Duration) int { return 40 }, lasts: hour(6), created: 10, removed: 0, used: 0.99, left: 10,
		},
		"a step up and down again": {
			load: func(at time.Duration) int {
				if at > hour(1) && at < hour(3) {
					return 80
				}
				return 20
			}, lasts: hour(6), created: 20, removed: 15, used: 0.85, left: 5,
		},
		"a wave that is faster than nodes should go": {
			load: func(at time.Duration) int {
				return 40 + int(30*math.Sin(2*math.Pi*at.Minutes()/4))
			}, lasts: hour(6), created: 20, removed: 2, used: 0.5, left: -1,
		},
		"a spike": {
			load: func(at time.Duration) int {
				if at > hour(1) && at < hour(1)+2*time.Minute {
					return 200
				}
				return 20
			}, lasts: hour(4), created: 50, removed: 45, used: 0.5, left: 5,
		},
		"days": {
			load: func(at time.Duration) int {
				return 60 + int(40*math.Sin(2*math.Pi*at.Hours()/24))
			}, lasts: hour(72), created: 100, removed: 90, used: 0.85, left: -1,
		},
		"all goes": {
			load: func(at time.Duration) int {
				if at < hour(1) {
					return 40
				}
				return 0
			}, lasts: hour(4), created: 10, removed: 10, used: 0.5, left: 0,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLife(t, makeShape("general", "a", "4", "8Gi"))
			l.live(tc.lasts, tc.load)
			t.Log(l.story())
			if l.created > tc.created || l.removed > tc.removed {
				t.Errorf("want at most %d created and %d removed: %s", tc.created, tc.removed, l.story())
			}
			if l.asked/l.had < tc.used {
				t.Errorf("want %.0f %% of the nodes used: %s", 100*tc.used, l.story())
			}
			if tc.left >= 0 && len(l.members) != tc.left {
				t.Errorf("%d nodes are left, want %d", len(l.members), tc.left)
			}
		})
	}
}

// A large node is replaced by a smaller one once, and then nothing moves any more.
func TestALargeNodeIsReplacedOnce(t *testing.T) {
	t.Parallel()
	l := newLife(t, makeShape("large", "a", "16", "32Gi"), makeShape("small", "a", "2", "4Gi"))
	large := l.shapes
	l.shapes = large[:1]
	l.live(10*time.Minute, func(time.Duration) int { return 2 })
	if l.cpus() != 16 {
		t.Fatalf("%g cpus, want one large node", l.cpus())
	}
	l.shapes = large
	l.live(12*time.Hour, func(time.Duration) int { return 2 })
	if l.cpus() != 2 || l.created != 2 || l.removed != 1 {
		t.Errorf("%g cpus are left, want one small node: %s", l.cpus(), l.story())
	}
}
