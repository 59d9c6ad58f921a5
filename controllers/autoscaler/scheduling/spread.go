package scheduling

import (
	"context"
	"encoding/binary"
	"math"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework"
)

// spreadTracker keeps the state of PodTopologySpread: how many pods match in each domain of
// each constraint, and the minimum of these counts.
//
// The plugin's own AddPod and RemovePod cannot be used: they remember only the two smallest
// domains, enough for preemption on one node, and they count pods that PreFilter does not
// count. So the tracker keeps the counts in the plugin's state itself, node by node, with the
// selectors that the plugin made of the constraints.
type spreadTracker struct {
	cluster *Cluster
	cache   *filterCache

	state         spreadState
	constraints   []*corev1.TopologySpreadConstraint
	keys          []string        // the topology keys of the constraints
	nodesFiltered bool            // a node with all topology keys may be excluded by taints or node affinity
	domains       []domainIndex   // one for each constraint
	perSlot       [][]domainCount // by constraint and slot: what the node adds to its domain
	staleSlots    []int           // slots whose node came or went since they were counted
	isStale       slotSet
	countsChanged bool // a count changed since the minimum was found

	// rejectedSets has the rejected slots by what a verdict depends on besides the node's own
	// domains: the minimum counts, and whether there are enough domains.
	rejectedSets map[string]*slotSet
}

// domainCount is what one node adds to a domain: a number of matching pods, or -1 if the node
// does not count.
type domainCount struct {
	domain string
	pods   int
}

// domainIndex has the number of nodes of each domain of a constraint, and the number of
// domains of each count.
type domainIndex struct {
	nodesPerDomain  map[string]int
	domainsPerCount map[int]int
	minCount        int
}

// maxRejectionSets bounds rejectedSets. Beyond it all of them are discarded and fill again.
const maxRejectionSets = 8

func newSpreadTracker(c *Cluster, s *filterCache) tracker {
	s.runPreFilter(framework.NewCycleState(), nil)
	t := &spreadTracker{cluster: c, cache: s, rejectedSets: map[string]*slotSet{}}
	if s.skipped || s.rejection != "" {
		return t
	}
	state, err := readSpreadState(s.state)
	if err != nil {
		// New has probed this. Rejecting the pod makes the error visible and does no harm.
		s.rejection = "PodTopologySpread: " + err.Error()
		return t
	}
	t.state, t.constraints = state, hardConstraints(s.pod)
	for _, constraint := range t.constraints {
		t.keys = append(t.keys, constraint.TopologyKey)
		t.nodesFiltered = t.nodesFiltered || filtersNodes(constraint, s.pod)
		t.domains = append(t.domains, domainIndex{nodesPerDomain: map[string]int{}, domainsPerCount: map[int]int{}, minCount: math.MaxInt32})
		c.indexLabel(constraint.TopologyKey)
	}
	t.perSlot = make([][]domainCount, len(t.constraints))
	for slot := range c.nodes {
		t.markStale(slot)
	}
	return t
}

// filtersNodes reports whether more than the topology keys decides which nodes count.
func filtersNodes(constraint *corev1.TopologySpreadConstraint, pod *corev1.Pod) bool {
	taints := constraint.NodeTaintsPolicy
	return len(classKey{}.nodeAffinity(pod)) > len(classKey{}.nodeAffinity(&corev1.Pod{})) ||
		taints != nil && *taints != corev1.NodeInclusionPolicyIgnore
}

func (t *spreadTracker) isAffectedBy(pod fwk.PodInfo) bool {
	for i := range t.constraints {
		if t.selects(i, pod.GetPod()) {
			return true
		}
	}
	return false
}

// selects reports whether the plugin counts pods like this one for a constraint.
func (t *spreadTracker) selects(i int, pod *corev1.Pod) bool {
	selector := t.state.selectors[i]
	return pod.Namespace == t.cache.pod.Namespace && !selector.Empty() && selector.Matches(labels.Set(pod.Labels))
}

func (t *spreadTracker) podAdded(pod fwk.PodInfo, slot int)   { t.adjust(pod.GetPod(), slot, 1) }
func (t *spreadTracker) podRemoved(pod fwk.PodInfo, slot int) { t.adjust(pod.GetPod(), slot, -1) }
func (t *spreadTracker) nodeAdded(slot int)                   { t.markStale(slot) }
func (t *spreadTracker) nodeRemoved(slot int)                 { t.markStale(slot) }

// adjust counts a pod that came or went. A pod that is ending is not counted.
func (t *spreadTracker) adjust(pod *corev1.Pod, slot, pods int) {
	if t.isStale.has(slot) || pod.DeletionTimestamp != nil {
		return
	}
	for i := range t.constraints {
		if s := t.perSlot[i][slot]; s.pods >= 0 && t.selects(i, pod) {
			t.set(i, slot, domainCount{domain: s.domain, pods: s.pods + pods})
		}
	}
}

func (t *spreadTracker) markStale(slot int) {
	if !t.isStale.has(slot) && len(t.constraints) > 0 {
		t.isStale.add(slot)
		t.staleSlots = append(t.staleSlots, slot)
	}
}

// flush brings the counts up to date, writes the minimum counts into the plugin's state, and
// selects the set of rejected slots that belongs to them.
func (t *spreadTracker) flush() {
	for _, slot := range t.staleSlots {
		t.recount(slot)
	}
	t.staleSlots = t.staleSlots[:0]
	clear(t.isStale)
	if !t.countsChanged {
		return
	}
	t.countsChanged = false

	var space [32]byte
	level := space[:0]
	for i, constraint := range t.constraints {
		d := &t.domains[i]
		d.updateMin()
		t.state.minimums[i][0].MatchNum = d.minCount
		enough := constraint.MinDomains == nil || len(d.nodesPerDomain) >= int(*constraint.MinDomains)
		level = append(binary.AppendVarint(level, int64(d.minCount)), byte(boolByte(enough)))
	}
	closed, known := t.rejectedSets[string(level)]
	if !known {
		if len(t.rejectedSets) >= maxRejectionSets {
			clear(t.rejectedSets)
		}
		closed = &slotSet{}
		t.rejectedSets[string(level)] = closed
	}
	t.cache.rejected = closed
}

// recount counts a node and all its pods anew.
func (t *spreadTracker) recount(slot int) {
	for i := range t.constraints {
		for slot >= len(t.perSlot[i]) {
			t.perSlot[i] = append(t.perSlot[i], domainCount{pods: -1})
		}
		now := domainCount{pods: -1}
		if node := t.cluster.nodes[slot]; t.cluster.liveSlots.has(slot) && t.isCounted(i, node) {
			now = domainCount{domain: node.Node().Labels[t.keys[i]]}
			for _, pod := range node.Pods {
				if pod.GetPod().DeletionTimestamp == nil && t.selects(i, pod.GetPod()) {
					now.pods++
				}
			}
		}
		t.set(i, slot, now)
	}
}

// isCounted reports whether the pods of a node count for a constraint. The node must have all
// topology keys. Where taints or node affinity matter too, the plugin is asked about this node
// alone.
func (t *spreadTracker) isCounted(i int, node *framework.NodeInfo) bool {
	for _, key := range t.keys {
		if _, ok := node.Node().Labels[key]; !ok {
			return false
		}
	}
	if !t.nodesFiltered {
		return true
	}
	state := framework.NewCycleState()
	t.cache.plugin.preFilter.PreFilter(context.Background(), state, t.cache.pod, []fwk.NodeInfo{node})
	counts, err := readCounts(state)
	return err == nil && len(counts[i]) > 0
}

// set replaces what a slot adds to a constraint and corrects the sums.
func (t *spreadTracker) set(i, slot int, now domainCount) {
	before := t.perSlot[i][slot]
	if before == now {
		return
	}
	t.perSlot[i][slot], t.countsChanged = now, true
	t.add(i, now)
	t.subtract(i, before)
	if before.pods > now.pods || before.domain != now.domain {
		t.invalidateDomain(t.cluster.topology[t.keys[i]][before.domain])
	}
}

func (t *spreadTracker) add(i int, s domainCount) {
	if s.pods < 0 {
		return
	}
	d, sums := &t.domains[i], t.state.counts[i]
	if d.nodesPerDomain[s.domain] > 0 {
		d.domainsPerCount[sums[s.domain]]--
	}
	d.nodesPerDomain[s.domain]++
	sums[s.domain] += s.pods
	d.domainsPerCount[sums[s.domain]]++
	d.minCount = min(d.minCount, sums[s.domain])
}

func (t *spreadTracker) subtract(i int, s domainCount) {
	if s.pods < 0 {
		return
	}
	d, sums := &t.domains[i], t.state.counts[i]
	d.domainsPerCount[sums[s.domain]]--
	d.nodesPerDomain[s.domain]--
	sums[s.domain] -= s.pods
	if d.nodesPerDomain[s.domain] == 0 {
		delete(sums, s.domain)
		delete(d.nodesPerDomain, s.domain)
		return
	}
	d.domainsPerCount[sums[s.domain]]++
	d.minCount = min(d.minCount, sums[s.domain])
}

func (d *domainIndex) updateMin() {
	if len(d.nodesPerDomain) == 0 {
		d.minCount = math.MaxInt32 // the plugin's value for no domain
		clear(d.domainsPerCount)
		return
	}
	for d.domainsPerCount[d.minCount] == 0 {
		delete(d.domainsPerCount, d.minCount)
		d.minCount++
	}
}

// invalidateDomain lets a domain that has fewer pods be checked again. A large domain is
// rejected as a whole if it is rejected again, so for that it costs less to discard
// everything.
func (t *spreadTracker) invalidateDomain(slots []int) {
	if len(slots) > 64 {
		clear(t.rejectedSets)
		return
	}
	for _, slot := range slots {
		t.slotInvalidated(slot)
	}
}

func boolByte(b bool) int {
	if b {
		return 1
	}
	return 0
}

// alsoRejected: nodes of the same domains are rejected alike.
func (t *spreadTracker) alsoRejected(slot int, _ *fwk.Status) []int {
	return t.cluster.slotsInSameDomains(slot, t.keys)
}

func (t *spreadTracker) slotInvalidated(slot int) {
	for _, closed := range t.rejectedSets {
		closed.remove(slot)
	}
}
