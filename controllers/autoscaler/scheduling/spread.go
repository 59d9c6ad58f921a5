package scheduling

import (
	"context"
	"encoding/binary"
	"math"
	"reflect"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins/podtopologyspread"
)

// spread keeps the state of PodTopologySpread: how many pods match in each domain of each
// constraint, and the least of these.
//
// The plugin's own AddPod and RemovePod won't do: they remember the two least domains only,
// enough for preemption on one node, and count pods that PreFilter doesn't. So the state is
// the sum of what PreFilter says of each node alone, and is corrected by the difference when
// a node changes.
type spread struct {
	cluster *Cluster
	sieve   *sieve

	view        spreadView
	constraints []*corev1.TopologySpreadConstraint
	selectors   []labels.Selector
	domains     []domains // one for each constraint
	by          [][]int32 // what each slot adds to each constraint; -1 if it doesn't count

	// levels has the refused slots by the state of what a verdict depends on besides the
	// node's own domains: the least counts, and whether there are domains enough.
	levels map[string]*slotSet
}

// domains has the nodes of each domain of a constraint, and the domains by their count.
type domains struct {
	nodes map[string]int
	by    map[int]int
	least int
}

// spreadView is the plugin's state, whose type is not exported, but whose fields are.
type spreadView struct {
	counts []map[string]int
	paths  []*[2]struct {
		TopologyValue string
		MatchNum      int
	}
}

// maxLevels bounds what is remembered; where there are more, it is learned again.
const maxLevels = 64

func newSpread(c *Cluster, s *sieve) tracker {
	s.prepare(framework.NewCycleState(), nil)
	t := &spread{cluster: c, sieve: s, constraints: hardConstraints(s.pod), levels: map[string]*slotSet{}}
	if s.passes || s.refusal != "" {
		return t
	}
	t.view = viewOf(s.state)
	for _, constraint := range t.constraints {
		// What can't be parsed was refused above.
		selector, _ := metav1.LabelSelectorAsSelector(constraint.LabelSelector)
		t.selectors = append(t.selectors, selector)
		t.domains = append(t.domains, domains{nodes: map[string]int{}, by: map[int]int{}, least: math.MaxInt32})
		c.index(constraint.TopologyKey)
	}
	t.by = make([][]int32, len(t.constraints))
	for slot := range c.nodes {
		if c.live.has(slot) {
			t.count(slot)
		}
	}
	t.settle()
	return t
}

func viewOf(state fwk.CycleState) spreadView {
	view := spreadView{counts: countsOf(state)}
	paths := stateOf(state).FieldByName("CriticalPaths")
	for i := range view.counts {
		path := paths.Index(i).Convert(reflect.TypeOf(view.paths).Elem())
		view.paths = append(view.paths, path.Interface().(*[2]struct {
			TopologyValue string
			MatchNum      int
		}))
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
	if t.sieve.passes || pod.GetPod().Namespace != t.sieve.pod.Namespace {
		return false
	}
	for _, selector := range t.selectors {
		if selector.Matches(labels.Set(pod.GetPod().Labels)) {
			return true
		}
	}
	return false
}

func (t *spread) added(_ fwk.PodInfo, slot int)   { t.recount(slot) }
func (t *spread) removed(_ fwk.PodInfo, slot int) { t.recount(slot) }
func (t *spread) joined(slot int)                 { t.recount(slot) }

func (t *spread) recount(slot int) {
	if t.sieve.passes || t.sieve.refusal != "" {
		return
	}
	t.count(slot)
	t.settle()
}

// count asks the plugin about the node alone, and brings the sums up to date.
func (t *spread) count(slot int) {
	node := t.cluster.nodes[slot]
	state := framework.NewCycleState()
	t.sieve.plugin.preFilter.PreFilter(context.Background(), state, t.sieve.pod, []fwk.NodeInfo{node})
	alone := countsOf(state)
	for i, constraint := range t.constraints {
		domain := node.Node().Labels[constraint.TopologyKey]
		count, counts := alone[i][domain]
		if !counts {
			count = -1
		}
		t.set(i, slot, domain, int32(count))
	}
}

func (t *spread) left(slot int, node *corev1.Node) {
	if t.sieve.passes || t.sieve.refusal != "" {
		return
	}
	for i, constraint := range t.constraints {
		t.set(i, slot, node.Labels[constraint.TopologyKey], -1)
	}
	t.settle()
}

// set notes what a slot adds to a constraint.
func (t *spread) set(i, slot int, domain string, count int32) {
	for slot >= len(t.by[i]) {
		t.by[i] = append(t.by[i], -1)
	}
	before := t.by[i][slot]
	t.by[i][slot] = count
	if before == count {
		return
	}
	d, sums := &t.domains[i], t.view.counts[i]
	sum, was := sums[domain]
	if was {
		d.by[sum]--
	}
	d.nodes[domain] += btoi(count >= 0) - btoi(before >= 0)
	sum += int(max(count, 0) - max(before, 0))
	if d.nodes[domain] > 0 {
		sums[domain] = sum
		d.by[sum]++
		d.least = min(d.least, sum)
	} else {
		delete(sums, domain)
		delete(d.nodes, domain)
	}
	if count < before {
		for _, other := range t.cluster.topology[t.constraints[i].TopologyKey][domain] {
			t.opened(other)
		}
	}
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// settle tells the plugin the least counts, and finds the level.
func (t *spread) settle() {
	var level [16]byte
	name := level[:0]
	for i, constraint := range t.constraints {
		d := &t.domains[i]
		if len(d.nodes) == 0 {
			d.least, d.by = math.MaxInt32, map[int]int{}
		}
		for len(d.nodes) > 0 && d.by[d.least] == 0 {
			delete(d.by, d.least)
			d.least++
		}
		t.view.paths[i][0].MatchNum = d.least
		name = binary.AppendVarint(name, int64(d.least))
		enough := constraint.MinDomains == nil || len(d.nodes) >= int(*constraint.MinDomains)
		name = append(name, byte(btoi(enough)))
	}
	closed, known := t.levels[string(name)]
	if !known {
		if len(t.levels) >= maxLevels {
			clear(t.levels)
		}
		closed = &slotSet{}
		t.levels[string(name)] = closed
	}
	t.sieve.closed = closed
}

// refused: nodes of the same domains are refused alike.
func (t *spread) refused(slot int, _ *fwk.Status) []int {
	keys := make([]string, 0, len(t.constraints))
	for _, constraint := range t.constraints {
		keys = append(keys, constraint.TopologyKey)
	}
	return t.cluster.alike(slot, keys)
}

func (t *spread) opened(slot int) {
	for _, closed := range t.levels {
		closed.remove(slot)
	}
}
