package scheduling

import (
	"context"
	"encoding/binary"
	"math"
	"reflect"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins/podtopologyspread"
)

// spread keeps the state of PodTopologySpread: how many pods match in each domain of each
// constraint, and the least of these.
//
// The plugin's own AddPod and RemovePod won't do: they remember the two least domains only,
// enough for preemption on one node, and count pods that PreFilter doesn't. So the counts in
// its state are kept here, node by node, by the selectors that it made of the constraints.
type spread struct {
	cluster *Cluster
	sieve   *sieve

	view        spreadView
	constraints []*corev1.TopologySpreadConstraint
	keys        []string  // their topology keys
	chooses     bool      // a node may not count although it has the labels that are the keys
	domains     []domains // one for each constraint
	by          [][]share // what each slot adds to each constraint
	stale       []int     // slots whose node came or went since they were counted
	isStale     slotSet
	moved       bool // the counts changed since the least of them were found

	// levels has the refused slots by the state of what a verdict depends on besides the
	// node's own domains: the least counts, and whether there are domains enough.
	levels map[string]*slotSet
}

// share is what a node adds to a domain: a number of pods, -1 if it doesn't count.
type share struct {
	domain string
	pods   int
}

// domains has the nodes of each domain of a constraint, and the domains by their count.
type domains struct {
	nodes map[string]int
	by    map[int]int
	least int
}

// spreadView is the plugin's state, whose type is not exported, but whose fields are.
type spreadView struct {
	selectors []labels.Selector
	counts    []map[string]int
	paths     []*[2]struct {
		TopologyValue string
		MatchNum      int
	}
}

// maxLevels bounds what is remembered; where there are more, it is learned again.
const maxLevels = 8

func newSpread(c *Cluster, s *sieve) tracker {
	s.prepare(framework.NewCycleState(), nil)
	t := &spread{cluster: c, sieve: s, levels: map[string]*slotSet{}}
	if s.passes || s.refusal != "" {
		return t
	}
	t.view, t.constraints = viewOf(s.state), hardConstraints(s.pod)
	for _, constraint := range t.constraints {
		t.keys = append(t.keys, constraint.TopologyKey)
		t.chooses = t.chooses || chooses(constraint, s.pod)
		t.domains = append(t.domains, domains{nodes: map[string]int{}, by: map[int]int{}, least: math.MaxInt32})
		c.index(constraint.TopologyKey)
	}
	t.by = make([][]share, len(t.constraints))
	for slot := range c.nodes {
		t.touch(slot)
	}
	return t
}

// chooses tells whether more than topology keys may say which nodes count.
func chooses(constraint *corev1.TopologySpreadConstraint, pod *corev1.Pod) bool {
	taints := constraint.NodeTaintsPolicy
	return len(key{}.nodeAffinity(pod)) > len(key{}.nodeAffinity(&corev1.Pod{})) ||
		taints != nil && *taints != corev1.NodeInclusionPolicyIgnore
}

func viewOf(state fwk.CycleState) spreadView {
	view := spreadView{counts: countsOf(state)}
	paths, constraints := stateOf(state).FieldByName("CriticalPaths"), stateOf(state).FieldByName("Constraints")
	for i := range view.counts {
		path := paths.Index(i).Convert(reflect.TypeOf(view.paths).Elem())
		view.paths = append(view.paths, path.Interface().(*[2]struct {
			TopologyValue string
			MatchNum      int
		}))
		view.selectors = append(view.selectors, constraints.Index(i).FieldByName("Selector").Interface().(labels.Selector))
	}
	return view
}

func countsOf(state fwk.CycleState) []map[string]int {
	return stateOf(state).FieldByName("TpValueToMatchNum").Interface().([]map[string]int)
}

func stateOf(state fwk.CycleState) reflect.Value {
	data, err := state.Read("PreFilter" + podtopologyspread.Name)
	if err != nil {
		panic("reading the state that PodTopologySpread has just written: " + err.Error())
	}
	return reflect.ValueOf(data).Elem()
}

func (t *spread) concerns(pod fwk.PodInfo) bool {
	for i := range t.constraints {
		if t.selects(i, pod.GetPod()) {
			return true
		}
	}
	return false
}

// selects tells whether the plugin counts pods like this one for a constraint.
func (t *spread) selects(i int, pod *corev1.Pod) bool {
	selector := t.view.selectors[i]
	return pod.Namespace == t.sieve.pod.Namespace && !selector.Empty() && selector.Matches(labels.Set(pod.Labels))
}

func (t *spread) added(pod fwk.PodInfo, slot int)   { t.move(pod.GetPod(), slot, 1) }
func (t *spread) removed(pod fwk.PodInfo, slot int) { t.move(pod.GetPod(), slot, -1) }
func (t *spread) joined(slot int)                   { t.touch(slot) }
func (t *spread) left(slot int)                     { t.touch(slot) }

// move counts a pod that came or went, unless it is ending, which none counts.
func (t *spread) move(pod *corev1.Pod, slot, pods int) {
	if t.isStale.has(slot) || pod.DeletionTimestamp != nil {
		return
	}
	for i := range t.constraints {
		if s := t.by[i][slot]; s.pods >= 0 && t.selects(i, pod) {
			t.set(i, slot, share{domain: s.domain, pods: s.pods + pods})
		}
	}
}

func (t *spread) touch(slot int) {
	if !t.isStale.has(slot) && len(t.constraints) > 0 {
		t.isStale.add(slot)
		t.stale = append(t.stale, slot)
	}
}

// settle brings the sums up to date, tells the plugin the least counts, and finds the level.
func (t *spread) settle() {
	for _, slot := range t.stale {
		t.count(slot)
	}
	t.stale = t.stale[:0]
	clear(t.isStale)
	if !t.moved {
		return
	}
	t.moved = false

	var space [32]byte
	level := space[:0]
	for i, constraint := range t.constraints {
		d := &t.domains[i]
		d.findLeast()
		t.view.paths[i][0].MatchNum = d.least
		enough := constraint.MinDomains == nil || len(d.nodes) >= int(*constraint.MinDomains)
		level = append(binary.AppendVarint(level, int64(d.least)), byte(btoi(enough)))
	}
	closed, known := t.levels[string(level)]
	if !known {
		if len(t.levels) >= maxLevels {
			clear(t.levels)
		}
		closed = &slotSet{}
		t.levels[string(level)] = closed
	}
	t.sieve.closed = closed
}

// count looks at a node and all its pods anew.
func (t *spread) count(slot int) {
	for i := range t.constraints {
		for slot >= len(t.by[i]) {
			t.by[i] = append(t.by[i], share{pods: -1})
		}
		now := share{pods: -1}
		if node := t.cluster.nodes[slot]; t.cluster.live.has(slot) && t.counts(i, node) {
			now = share{domain: node.Node().Labels[t.keys[i]]}
			for _, pod := range node.Pods {
				if pod.GetPod().DeletionTimestamp == nil && t.selects(i, pod.GetPod()) {
					now.pods++
				}
			}
		}
		t.set(i, slot, now)
	}
}

// counts tells whether the pods of a node count for a constraint. It must have all topology
// keys; where there may be more to it, the plugin is asked about the node alone.
func (t *spread) counts(i int, node *framework.NodeInfo) bool {
	for _, key := range t.keys {
		if _, ok := node.Node().Labels[key]; !ok {
			return false
		}
	}
	if !t.chooses {
		return true
	}
	state := framework.NewCycleState()
	t.sieve.plugin.preFilter.PreFilter(context.Background(), state, t.sieve.pod, []fwk.NodeInfo{node})
	return len(countsOf(state)[i]) > 0
}

// set corrects the sums by what a slot adds now.
func (t *spread) set(i, slot int, now share) {
	before := t.by[i][slot]
	if before == now {
		return
	}
	t.by[i][slot], t.moved = now, true
	t.add(i, now)
	t.subtract(i, before)
	if before.pods > now.pods || before.domain != now.domain {
		t.openDomain(t.cluster.topology[t.keys[i]][before.domain])
	}
}

func (t *spread) add(i int, s share) {
	if s.pods < 0 {
		return
	}
	d, sums := &t.domains[i], t.view.counts[i]
	if d.nodes[s.domain] > 0 {
		d.by[sums[s.domain]]--
	}
	d.nodes[s.domain]++
	sums[s.domain] += s.pods
	d.by[sums[s.domain]]++
	d.least = min(d.least, sums[s.domain])
}

func (t *spread) subtract(i int, s share) {
	if s.pods < 0 {
		return
	}
	d, sums := &t.domains[i], t.view.counts[i]
	d.by[sums[s.domain]]--
	d.nodes[s.domain]--
	sums[s.domain] -= s.pods
	if d.nodes[s.domain] == 0 {
		delete(sums, s.domain)
		delete(d.nodes, s.domain)
		return
	}
	d.by[sums[s.domain]]++
	d.least = min(d.least, sums[s.domain])
}

func (d *domains) findLeast() {
	if len(d.nodes) == 0 {
		d.least = math.MaxInt32 // as the plugin has it
		clear(d.by)
		return
	}
	for d.by[d.least] == 0 {
		delete(d.by, d.least)
		d.least++
	}
}

// openDomain lets a domain be asked again that has fewer pods. A large one is refused again
// as one, if it is: it costs less to forget everything.
func (t *spread) openDomain(slots []int) {
	if len(slots) > 64 {
		clear(t.levels)
		return
	}
	for _, slot := range slots {
		t.opened(slot)
	}
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// refused: nodes of the same domains are refused alike.
func (t *spread) refused(slot int, _ *fwk.Status) []int {
	return t.cluster.alike(slot, t.keys)
}

func (t *spread) opened(slot int) {
	for _, closed := range t.levels {
		closed.remove(slot)
	}
}
