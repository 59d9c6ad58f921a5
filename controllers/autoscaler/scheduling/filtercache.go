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

// filterCache is what a plugin holds of a class of pods: its state after PreFilter, and the slots
// that it refused. A refusal is kept until what it came from changes, so that a node is
// asked about a class once, not for each of its pods.
type filterCache struct {
	plugin *plugin
	pod    *corev1.Pod // stands for its class

	state        fwk.CycleState
	skipped      bool             // the plugin has nothing against the pod anywhere
	rejection    string           // why the plugin refuses it everywhere; empty if it doesn't
	allowedNodes sets.Set[string] // the nodes that it may go to; nil for all
	rejected     *slotSet         // the slots that refused

	tracker tracker // keeps a state that depends on the whole cluster; nil if it doesn't
}

// tracker keeps a sieve in step with the cluster. It is told of each change after the fact,
// and may put off what it does about it.
type tracker interface {
	// isAffectedBy tells whether it matters to the state where a pod is. Too often is right.
	isAffectedBy(pod fwk.PodInfo) bool
	// podAdded and removed are told of pods that concern it, and of the node's slot.
	podAdded(pod fwk.PodInfo, slot int)
	podRemoved(pod fwk.PodInfo, slot int)
	// nodeAdded and left are told of nodes, which have no pods then.
	nodeAdded(slot int)
	nodeRemoved(slot int)
	// flush does what was put off: the sieve is about to be used.
	flush()
	// alsoRejected tells which other slots are refused as well when this one was.
	alsoRejected(slot int, status *fwk.Status) []int
	// slotInvalidated: the slot may be asked again, whatever was refused.
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

// runPreFilter runs PreFilter over these nodes, into this state.
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

// check whether the pod may go to the node in this slot; if not, why.
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

// evaluate is what the plugin says of the node, remembering nothing.
func (s *filterCache) evaluate(pod *corev1.Pod, node *framework.NodeInfo) *fwk.Status {
	switch {
	case s.rejection != "":
		return fwk.NewStatus(fwk.UnschedulableAndUnresolvable, s.rejection)
	case s.allowedNodes != nil && !s.allowedNodes.Has(node.Node().Name):
		return fwk.NewStatus(fwk.UnschedulableAndUnresolvable, reasonNotSelected)
	}
	return s.plugin.filter.Filter(context.Background(), s.state, pod, node)
}

// invalidate lets the slot be asked again.
func (s *filterCache) invalidate(slot int) {
	s.rejected.remove(slot)
	if s.tracker != nil {
		s.tracker.slotInvalidated(slot)
	}
}

// reasonNotSelected is what the scheduler says of nodes that PreFilter left out.
const reasonNotSelected = "node(s) didn't match Pod's node affinity/selector"

func reasonOf(status *fwk.Status) string {
	if status.IsSuccess() {
		return ""
	}
	return strings.Join(status.Reasons(), ", ")
}
