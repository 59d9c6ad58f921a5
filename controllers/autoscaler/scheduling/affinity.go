package scheduling

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins/interpodaffinity"
)

// affinityTracker keeps the state of InterPodAffinity with the plugin's own AddPod and
// RemovePod: its counts are sums, so they stay correct however many changes are applied.
type affinityTracker struct {
	cluster          *Cluster
	cache            *filterCache
	pod              fwk.PodInfo
	namespaceLabels  labels.Set // of the pod's namespace
	affinityKeys     []string   // the topology keys of its affinity terms
	antiAffinityKeys []string   // the topology keys of its anti-affinity terms
}

func newAffinityTracker(c *Cluster, s *filterCache) tracker {
	t := &affinityTracker{cluster: c, cache: s, namespaceLabels: c.NamespaceLabels(s.pod.Namespace)}
	s.runPreFilter(framework.NewCycleState(), c.listNodeInfos())
	info, err := framework.NewPodInfo(s.pod)
	t.pod = info
	if err != nil {
		return t // PreFilter has rejected the pod as well
	}
	for _, term := range info.GetRequiredAffinityTerms() {
		t.affinityKeys = append(t.affinityKeys, term.TopologyKey)
	}
	for _, term := range info.GetRequiredAntiAffinityTerms() {
		t.antiAffinityKeys = append(t.antiAffinityKeys, term.TopologyKey)
	}
	for _, key := range append(t.affinityKeys, t.antiAffinityKeys...) {
		c.indexLabel(key)
	}
	return t
}

func (t *affinityTracker) isAffectedBy(pod fwk.PodInfo) bool {
	if t.cache.rejection != "" {
		return false
	}
	for _, term := range pod.GetRequiredAntiAffinityTerms() {
		if term.Matches(t.pod.GetPod(), t.namespaceLabels) {
			return true
		}
	}
	theirs := t.cluster.NamespaceLabels(pod.GetPod().Namespace)
	for _, terms := range [][]fwk.AffinityTerm{t.pod.GetRequiredAffinityTerms(), t.pod.GetRequiredAntiAffinityTerms()} {
		for _, term := range terms {
			if term.Matches(pod.GetPod(), theirs) {
				return true
			}
		}
	}
	return false
}

func (t *affinityTracker) podAdded(pod fwk.PodInfo, slot int) {
	if t.cache.skipped {
		// PreFilter skipped because no pod mattered before this one.
		t.cache.runPreFilter(framework.NewCycleState(), t.cluster.listNodeInfos())
		return
	}
	node := t.cluster.nodes[slot]
	t.extensions().AddPod(context.Background(), t.cache.state, t.cache.pod, pod, node)
	t.invalidateDomains(node.Node(), t.affinityKeys)
}

func (t *affinityTracker) podRemoved(pod fwk.PodInfo, slot int) {
	if t.cache.skipped {
		return
	}
	node := t.cluster.nodes[slot]
	t.extensions().RemovePod(context.Background(), t.cache.state, t.cache.pod, pod, node)
	if len(t.affinityKeys) > 0 {
		// When the last pod that the affinity refers to is gone, the pod may go to any domain.
		*t.cache.rejected = nil
		return
	}
	t.invalidateDomains(node.Node(), t.antiAffinityKeys)
	for _, term := range pod.GetRequiredAntiAffinityTerms() {
		t.cluster.indexLabel(term.TopologyKey)
		t.invalidateDomains(node.Node(), []string{term.TopologyKey})
	}
}

func (t *affinityTracker) extensions() fwk.PreFilterExtensions {
	return t.cache.plugin.preFilter.PreFilterExtensions()
}

// invalidateDomains lets the nodes that share a domain with this one be checked again.
func (t *affinityTracker) invalidateDomains(node *corev1.Node, keys []string) {
	for _, key := range keys {
		value, ok := node.Labels[key]
		if !ok {
			continue
		}
		for _, slot := range t.cluster.topology[key][value] {
			t.cache.rejected.remove(slot)
		}
	}
}

func (t *affinityTracker) nodeAdded(int)       {}
func (t *affinityTracker) nodeRemoved(int)     {}
func (t *affinityTracker) slotInvalidated(int) {}
func (t *affinityTracker) flush()              {}

// alsoRejected: where affinity rejected a node, it rejects every node of the same domains.
func (t *affinityTracker) alsoRejected(slot int, status *fwk.Status) []int {
	if len(t.affinityKeys) == 0 || reasonOf(status) != interpodaffinity.ErrReasonAffinityRulesNotMatch {
		return nil
	}
	return t.cluster.slotsInSameDomains(slot, t.affinityKeys)
}
