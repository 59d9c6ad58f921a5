package decision

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/controllers/messages"
)

// unmovableRetry is the time after which a place is sought again for pods that fit nowhere
// else.
const unmovableRetry = 2 * time.Minute

// moveOrReplace removes a node if all its pods fit elsewhere, and else has a smaller node
// launched. If the node has to wait for something, the empty node that would replace it is
// reserved.
func (s *scaleDown) moveOrReplace(c *candidate, wait string) {
	if until := c.state.UnmovableAt.Add(unmovableRetry); until.After(s.in.Now) {
		s.recheckAt(until)
		s.setNotDisruptable(c, v1alpha1.ReasonPodsFitNowhereElse, c.state.UnmovableReason)
		return
	}
	if reason, message := s.budgets.violation(c.load.evicted()); reason != "" {
		s.setNotDisruptable(c, reason, message) // earlier removals have spent the budget
		return
	}
	places, homeless := s.relocate(c, nil)
	if homeless != nil {
		places = s.relocateToEmptyNode(c)
	}
	switch {
	case wait != "":
		s.setDisruptable(c, wait)
	case len(places) > 0 || homeless == nil:
		s.removeRelocated(c, places)
	case !s.replace(c):
		s.recordUnmovable(c, homeless)
	}
}

// relocate cordons the node in the cluster, evicts its pods, and finds places for those that
// will be made again. First it runs prepare, which makes another node available; nil for none.
// If a pod has no place, relocate returns that pod and changes nothing.
func (s *scaleDown) relocate(c *candidate, prepare func()) (places []string, homeless *corev1.Pod) {
	mark := s.in.Cluster.Checkpoint()
	s.cordon(c)
	if prepare != nil {
		prepare()
	}
	for _, pod := range SortForPlacement(s.in.Cluster, s.successors(c.load.movable)) {
		node, placed := s.in.Cluster.Place(pod)
		if !placed {
			s.in.Cluster.Revert(mark)
			return nil, pod
		}
		if !slices.Contains(places, node) {
			places = append(places, node)
		}
	}
	for _, node := range places {
		s.receiving[node] = true
	}
	slices.Sort(places)
	return places, nil
}

// cordon makes the cluster see the node as the scheduler will while its pods are evicted: it
// takes none, but counts as a topology domain until it is gone.
func (s *scaleDown) cordon(c *candidate) {
	for _, pod := range c.load.evicted() {
		s.in.Cluster.RemovePod(pod)
	}
	s.in.Cluster.AddNode(Cordoned(c.Node))
	s.in.Cluster.SetClosed(c.Name, true)
}

// Cordoned returns the Node as it is while it is being removed. It returns the Node itself if
// it is cordoned already.
func Cordoned(node *corev1.Node) *corev1.Node {
	taint := corev1.Taint{Key: corev1.TaintNodeUnschedulable, Effect: corev1.TaintEffectNoSchedule}
	has := slices.ContainsFunc(node.Spec.Taints, func(t corev1.Taint) bool { return t.MatchTaint(&taint) })
	if has && node.Spec.Unschedulable {
		return node
	}
	out := *node
	out.Spec.Unschedulable = true
	if !has {
		out.Spec.Taints = append(slices.Clip(out.Spec.Taints), taint)
	}
	return &out
}

// relocateToEmptyNode tries the empty nodes that are smaller, the smallest first.
func (s *scaleDown) relocateToEmptyNode(c *candidate) []string {
	for _, spare := range s.emptyNodes {
		if s.receiving[spare.Name] || !takesLess(spare.Resources, c.Resources) {
			continue
		}
		if places, homeless := s.relocate(c, func() { s.in.Cluster.SetClosed(spare.Name, false) }); homeless == nil {
			return places
		}
	}
	return nil
}

// removeRelocated removes the node, unless its pods would have to wait for another node to be
// ready.
func (s *scaleDown) removeRelocated(c *candidate, places []string) {
	if i := slices.IndexFunc(places, func(node string) bool { return s.notReady[node] != "" }); i >= 0 {
		s.setDisruptable(c, fmt.Sprintf("It can be removed when %s is ready.", s.notReady[places[i]]))
		return
	}
	s.budgets.spend(c.load.evicted())
	s.remove(c, fmt.Sprintf("it has been under-used for %s, and its %d pods fit on %s", s.elapsedSince(c.state.IdleSince), len(c.load.movable), messages.List(places, ", ", 3)))
}

// replace launches a smaller node that holds all pods of this one, if there is such a shape.
// Later decisions see an empty node, and remove this one when that is ready.
func (s *scaleDown) replace(c *candidate) bool {
	for _, shape := range slices.SortedStableFunc(slices.Values(c.pool.growth.shapes), byPreference) {
		if !takesLess(shape.Node.Status.Capacity, c.Resources) || c.pool.growth.blockReason(shape) != "" {
			continue
		}
		name := fmt.Sprintf("%s (for %s)", c.pool.Name, c.Name)
		add := func() { s.in.Cluster.AddNode(shape.nodeNamed(name), shape.daemonPods(name)...) }
		if _, homeless := s.relocate(c, add); homeless != nil {
			continue
		}
		s.notReady[name] = "the new node of " + shape.describe()
		c.pool.growth.takeNode(shape)
		c.pool.removed++
		s.plan.Launches = append(s.plan.Launches, Launch{Pool: c.pool.Name, Size: shape.Size, Pods: c.load.movable})
		s.setDisruptable(c, fmt.Sprintf("It can be removed when a node of %s is ready, which has room for its pods.", shape.describe()))
		return true
	}
	return false
}

// replaceAtMinimum replaces a node that only its pool's minimum keeps. With the smaller node
// the pool has one more, and this one may go.
func (s *scaleDown) replaceAtMinimum(c *candidate, full string) {
	c.pool.replacements--
	if reason, message := s.budgets.violation(c.load.evicted()); reason != "" {
		s.setNotDisruptable(c, reason, message)
		return
	}
	if !s.replace(c) {
		s.setDisruptable(c, full)
	}
}

// byPreference orders shapes by preference, the highest first, and then by size, the smallest
// first.
func byPreference(a, b *shapeState) int {
	return cmp.Or(
		cmp.Compare(b.Preference, a.Preference),
		a.Node.Status.Capacity.Cpu().Cmp(*b.Node.Status.Capacity.Cpu()),
		a.Node.Status.Capacity.Memory().Cmp(*b.Node.Status.Capacity.Memory()),
	)
}

// recordUnmovable remembers that the pods fit nowhere else, so that they are not tried again
// at once.
func (s *scaleDown) recordUnmovable(c *candidate, homeless *corev1.Pod) {
	c.state.UnmovableAt = s.in.Now
	c.state.UnmovableReason = fmt.Sprintf("Its pods request %s, but pod %s/%s fits on no other node.", c.load, homeless.Namespace, homeless.Name)
	s.plan.NodeStates[c.Name] = c.state
	s.recheckAt(s.in.Now.Add(unmovableRetry))
	s.setNotDisruptable(c, v1alpha1.ReasonPodsFitNowhereElse, c.state.UnmovableReason)
}

// takesLess reports whether one node takes less than another from Mesos, and no more of
// anything.
func takesLess(a, b corev1.ResourceList) bool {
	cpu, memory := a.Cpu().Cmp(*b.Cpu()), a.Memory().Cmp(*b.Memory())
	return cpu <= 0 && memory <= 0 && cpu+memory < 0
}
