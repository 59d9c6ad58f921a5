package decision

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/k8sm/k8sm/controllers/autoscaler/scheduling"
	"github.com/k8sm/k8sm/controllers/drain"
)

// placePending places the pods that wait: they need the nodes on which they fit.
func (s *scaleDown) placePending() {
	s.placeWaiting(SortForPlacement(s.in.Cluster, s.in.Pending))
}

// placeLeaving places the pods of nodes that are being removed, and takes their evictions out of
// the disruption budgets. Nobody else has their places, though they do not wait yet. A pod that
// is ending and has a controller counts as well, since the controller may not have made another
// yet; the worst that follows is that a node stays until that pod is gone.
func (s *scaleDown) placeLeaving() {
	var pods []*corev1.Pod
	for _, node := range s.in.Leaving {
		for _, pod := range node.Pods {
			switch drain.Decide(pod, s.drainOptions(node.Drain)).Verdict {
			case drain.Evict, drain.Hold:
				s.budgets.spend([]*corev1.Pod{pod})
			case drain.Await:
			default:
				continue
			}
			s.in.Cluster.RemovePod(pod)
			if metav1.GetControllerOf(pod) != nil && !Expendable(pod) {
				pods = append(pods, pod)
			}
		}
	}
	s.placeWaiting(SortForPlacement(s.in.Cluster, s.successors(pods)))
}

// drainOptions are what a drain by a pool's policy would go by.
func (s *scaleDown) drainOptions(policy drain.Policy) drain.Options {
	return drain.Options{Now: s.in.Now, Policy: policy, NamespaceLabels: s.in.Cluster.NamespaceLabels}
}

// placeWaiting places pods where they fit now, and the rest where they fit once the nodes that
// are leaving are gone.
func (s *scaleDown) placeWaiting(pods []*corev1.Pod) {
	var left []*corev1.Pod
	for _, pod := range pods {
		if node, placed := s.in.Cluster.Place(pod); placed {
			s.receiving[node] = true
		} else {
			left = append(left, pod)
		}
	}
	if len(left) == 0 || len(s.in.Leaving) == 0 {
		return
	}
	var leaving []string
	for _, node := range s.in.Leaving {
		leaving = append(leaving, node.Name)
	}
	mark := s.in.Cluster.Checkpoint()
	removeNodes(s.in.Cluster, leaving)
	places := map[string]string{}
	for _, pod := range left {
		if node, placed := s.in.Cluster.Place(pod); placed {
			places[string(pod.UID)] = node
		}
	}
	s.in.Cluster.Revert(mark)
	for _, pod := range left {
		if node := places[string(pod.UID)]; node != "" && s.in.Cluster.Put(pod, node) == nil {
			s.receiving[node] = true
		}
	}
}

// successors returns the pods that take the places of these.
func (s *scaleDown) successors(pods []*corev1.Pod) []*corev1.Pod {
	if s.in.Successor == nil {
		return pods
	}
	out := slices.Clone(pods)
	for i := range out {
		out[i] = s.in.Successor(out[i])
	}
	return out
}

// removeNodes removes nodes from the cluster, which the scheduler does not count when they are
// gone.
func removeNodes(cluster *scheduling.Cluster, names []string) {
	for _, name := range names {
		cluster.RemoveNode(name)
	}
}
