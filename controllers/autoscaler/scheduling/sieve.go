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

// sieve is what a plugin holds of a class of pods: its state after PreFilter, and the slots
// that it refused. A refusal is kept until what it came from changes, so that a node is
// asked about a class once, not for each of its pods.
type sieve struct {
	plugin *plugin
	pod    *corev1.Pod // stands for its class

	state   fwk.CycleState
	passes  bool             // the plugin has nothing against the pod anywhere
	refusal string           // why the plugin refuses it everywhere; empty if it doesn't
	only    sets.Set[string] // the nodes that it may go to; nil for all
	closed  *slotSet         // the slots that refused

	tracker tracker // keeps a state that depends on the whole cluster; nil if it doesn't
}

// tracker keeps a sieve in step with the cluster. It is told of each change after the fact,
// and may put off what it does about it.
type tracker interface {
	// concerns tells whether it matters to the state where a pod is. Too often is right.
	concerns(pod fwk.PodInfo) bool
	// added and removed are told of pods that concern it, and of the node's slot.
	added(pod fwk.PodInfo, slot int)
	removed(pod fwk.PodInfo, slot int)
	// joined and left are told of nodes, which have no pods then.
	joined(slot int)
	left(slot int)
	// settle does what was put off: the sieve is about to be used.
	settle()
	// refused tells which other slots are refused as well when this one was.
	refused(slot int, status *fwk.Status) []int
	// opened: the slot may be asked again, whatever was refused.
	opened(slot int)
}

func (c *Cluster) newSieve(p *plugin, pod *corev1.Pod) *sieve {
	s := &sieve{plugin: p, pod: pod, closed: &slotSet{}}
	switch p.name {
	case names.PodTopologySpread:
		s.tracker = newSpread(c, s)
	case names.InterPodAffinity:
		s.tracker = newAffinity(c, s)
	default:
		s.prepare(framework.NewCycleState(), nil)
	}
	return s
}

// prepare runs PreFilter over these nodes, into this state.
func (s *sieve) prepare(state fwk.CycleState, nodes []fwk.NodeInfo) {
	s.state, s.passes, s.refusal, s.only = state, false, "", nil
	if s.plugin.preFilter == nil {
		return
	}
	result, status := s.plugin.preFilter.PreFilter(context.Background(), s.state, s.pod, nodes)
	switch {
	case status.IsSkip():
		s.passes = true
	case !status.IsSuccess():
		s.refusal = reasonOf(status)
	case !result.AllNodes():
		s.only = result.NodeNames
	}
}

// ask whether the pod may go to the node in this slot; if not, why.
func (s *sieve) ask(pod *corev1.Pod, slot int, node *framework.NodeInfo) (ok bool, reason string) {
	status := s.filter(pod, node)
	if status.IsSuccess() {
		return true, ""
	}
	s.closed.add(slot)
	if s.tracker != nil && s.refusal == "" {
		for _, other := range s.tracker.refused(slot, status) {
			s.closed.add(other)
		}
	}
	return false, reasonOf(status)
}

// filter is what the plugin says of the node, remembering nothing.
func (s *sieve) filter(pod *corev1.Pod, node *framework.NodeInfo) *fwk.Status {
	switch {
	case s.refusal != "":
		return fwk.NewStatus(fwk.UnschedulableAndUnresolvable, s.refusal)
	case s.only != nil && !s.only.Has(node.Node().Name):
		return fwk.NewStatus(fwk.UnschedulableAndUnresolvable, notSelected)
	}
	return s.plugin.filter.Filter(context.Background(), s.state, pod, node)
}

// open lets the slot be asked again.
func (s *sieve) open(slot int) {
	s.closed.remove(slot)
	if s.tracker != nil {
		s.tracker.opened(slot)
	}
}

// notSelected is what the scheduler says of nodes that PreFilter left out.
const notSelected = "node(s) didn't match Pod's node affinity/selector"

func reasonOf(status *fwk.Status) string {
	if status.IsSuccess() {
		return ""
	}
	return strings.Join(status.Reasons(), ", ")
}
