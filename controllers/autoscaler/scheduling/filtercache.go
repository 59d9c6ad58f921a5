package scheduling

import (
	"context"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/sets"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins/names"
)

// filterCache holds what one plugin answered for one equivalence class: its state after
// PreFilter, and the slots that it rejected. A rejection is kept until something that it
// depends on changes, so that a node is checked once for a class and not once for each of its
// pods.
type filterCache struct {
	plugin *plugin
	pod    *corev1.Pod // represents its class

	state        fwk.CycleState
	skipped      bool             // PreFilter returned Skip: the plugin accepts the pod on every node
	rejection    string           // why the plugin rejects the pod on every node; empty if it does not
	allowedNodes sets.Set[string] // the nodes that PreFilter allows; nil for all
	rejected     *slotSet         // the slots that the plugin rejected

	tracker tracker // updates a state that depends on the whole cluster; nil if it does not
}

// tracker keeps a filterCache equal to the cluster. Each change is announced after it was
// made. The tracker may postpone its work until flush.
type tracker interface {
	// isAffectedBy reports whether the state depends on where this pod is. True is always safe.
	isAffectedBy(pod fwk.PodInfo) bool
	// podAdded and podRemoved announce pods that affect the state, with the slot of their node.
	podAdded(pod fwk.PodInfo, slot int)
	podRemoved(pod fwk.PodInfo, slot int)
	// nodeAdded and nodeRemoved announce nodes, which have no pods at that moment.
	nodeAdded(slot int)
	nodeRemoved(slot int)
	// flush does postponed work. It is called before the cache is used.
	flush()
	// alsoRejected returns further slots that are rejected whenever this one is.
	alsoRejected(slot int, status *fwk.Status) []int
	// slotInvalidated discards what was learned of a slot: its node is another one.
	slotInvalidated(slot int)
}

func (c *Cluster) newSieve(p *plugin, pod *corev1.Pod) *filterCache {
	s := &filterCache{plugin: p, pod: pod, rejected: &slotSet{}}
	switch p.name {
	case names.PodTopologySpread:
		s.tracker = newSpreadTracker(c, s)
	case names.InterPodAffinity:
		s.tracker = newAffinityTracker(c, s)
	default:
		s.runPreFilter(framework.NewCycleState(), nil)
	}
	return s
}

// runPreFilter runs the plugin's PreFilter over these nodes and keeps the resulting state.
func (s *filterCache) runPreFilter(state fwk.CycleState, nodes []fwk.NodeInfo) {
	s.state, s.skipped, s.rejection, s.allowedNodes = state, false, "", nil
	if s.plugin.preFilter == nil {
		return
	}
	result, status := s.plugin.preFilter.PreFilter(context.Background(), s.state, s.pod, nodes)
	switch {
	case status.IsSkip():
		s.skipped = true
	case !status.IsSuccess():
		s.rejection = reasonOf(status)
	case !result.AllNodes():
		s.allowedNodes = result.NodeNames
	}
}

// check reports whether the pod may go to the node in this slot, and if not, why. It remembers
// a rejection.
func (s *filterCache) check(pod *corev1.Pod, slot int, node *framework.NodeInfo) (ok bool, reason string) {
	status := s.evaluate(pod, node)
	if status.IsSuccess() {
		return true, ""
	}
	s.rejected.add(slot)
	if s.tracker != nil && s.rejection == "" {
		for _, other := range s.tracker.alsoRejected(slot, status) {
			s.rejected.add(other)
		}
	}
	return false, reasonOf(status)
}

// evaluate asks the plugin about the node and remembers nothing.
func (s *filterCache) evaluate(pod *corev1.Pod, node *framework.NodeInfo) *fwk.Status {
	switch {
	case s.rejection != "":
		return fwk.NewStatus(fwk.UnschedulableAndUnresolvable, s.rejection)
	case s.allowedNodes != nil && !s.allowedNodes.Has(node.Node().Name):
		return fwk.NewStatus(fwk.UnschedulableAndUnresolvable, reasonNotSelected)
	}
	return s.plugin.filter.Filter(context.Background(), s.state, pod, node)
}

// invalidate discards what was learned of a slot.
func (s *filterCache) invalidate(slot int) {
	s.rejected.remove(slot)
	if s.tracker != nil {
		s.tracker.slotInvalidated(slot)
	}
}

// reasonNotSelected is the scheduler's reason for nodes that PreFilter excluded.
const reasonNotSelected = "node(s) didn't match Pod's node affinity/selector"

func reasonOf(status *fwk.Status) string {
	if status.IsSuccess() {
		return ""
	}
	return strings.Join(status.Reasons(), ", ")
}
