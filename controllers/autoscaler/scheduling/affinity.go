package scheduling

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins/interpodaffinity"
)

// affinity keeps the state of InterPodAffinity, by the plugin's own AddPod and RemovePod:
// its counts are sums, and stay right however long they are carried on.
type affinity struct {
	cluster *Cluster
	sieve   *sieve
	pod     fwk.PodInfo
	labels  labels.Set // of the pod's namespace
	keys    []string   // the topology keys of its affinity
	anti    []string   // and of its anti-affinity
}

func newAffinity(c *Cluster, s *sieve) tracker {
	t := &affinity{cluster: c, sieve: s, labels: c.namespaceLabels(s.pod.Namespace)}
	s.prepare(framework.NewCycleState(), c.infos())
	info, err := framework.NewPodInfo(s.pod)
	t.pod = info
	if err != nil {
		return t // refused by PreFilter as well
	}
	for _, term := range info.GetRequiredAffinityTerms() {
		t.keys = append(t.keys, term.TopologyKey)
	}
	for _, term := range info.GetRequiredAntiAffinityTerms() {
		t.anti = append(t.anti, term.TopologyKey)
	}
	for _, key := range append(t.keys, t.anti...) {
		c.index(key)
	}
	return t
}

func (t *affinity) concerns(pod fwk.PodInfo) bool {
	if t.sieve.refusal != "" {
		return false
	}
	for _, term := range pod.GetRequiredAntiAffinityTerms() {
		if term.Matches(t.pod.GetPod(), t.labels) {
			return true
		}
	}
	theirs := t.cluster.namespaceLabels(pod.GetPod().Namespace)
	for _, terms := range [][]fwk.AffinityTerm{t.pod.GetRequiredAffinityTerms(), t.pod.GetRequiredAntiAffinityTerms()} {
		for _, term := range terms {
			if term.Matches(pod.GetPod(), theirs) {
				return true
			}
		}
	}
	return false
}

func (t *affinity) added(pod fwk.PodInfo, slot int) {
	if t.sieve.passes {
		// There was nothing to look at before this pod came.
		t.sieve.prepare(framework.NewCycleState(), t.cluster.infos())
		return
	}
	node := t.cluster.nodes[slot]
	t.extensions().AddPod(context.Background(), t.sieve.state, t.sieve.pod, pod, node)
	t.openAround(node.Node(), t.keys)
}

func (t *affinity) removed(pod fwk.PodInfo, slot int) {
	if t.sieve.passes {
		return
	}
	node := t.cluster.nodes[slot]
	t.extensions().RemovePod(context.Background(), t.sieve.state, t.sieve.pod, pod, node)
	if len(t.keys) > 0 {
		// The last pod that the affinity is to lets it start anew, anywhere.
		*t.sieve.closed = nil
		return
	}
	t.openAround(node.Node(), t.anti)
	for _, term := range pod.GetRequiredAntiAffinityTerms() {
		t.cluster.index(term.TopologyKey)
		t.openAround(node.Node(), []string{term.TopologyKey})
	}
}

func (t *affinity) extensions() fwk.PreFilterExtensions {
	return t.sieve.plugin.preFilter.PreFilterExtensions()
}

func (t *affinity) openAround(node *corev1.Node, keys []string) {
	for _, key := range keys {
		value, ok := node.Labels[key]
		if !ok {
			continue
		}
		for _, slot := range t.cluster.topology[key][value] {
			t.sieve.closed.remove(slot)
		}
	}
}

func (t *affinity) joined(int) {}
func (t *affinity) left(int)   {}
func (t *affinity) opened(int) {}
func (t *affinity) settle()    {}

// refused: nodes of the same domains are refused alike, where it was affinity that refused.
func (t *affinity) refused(slot int, status *fwk.Status) []int {
	if len(t.keys) == 0 || reasonOf(status) != interpodaffinity.ErrReasonAffinityRulesNotMatch {
		return nil
	}
	return t.cluster.alike(slot, t.keys)
}
