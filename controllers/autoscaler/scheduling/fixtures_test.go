package scheduling

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// Fixtures of the tests inside the package.

func emptyCluster(t *testing.T) *Cluster {
	t.Helper()
	c, err := New()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// testNode returns a node of 4 CPUs with labels, given as pairs of key and value.
func testNode(name string, labels ...string) *corev1.Node {
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{corev1.LabelHostname: name}}}
	for i := 0; i < len(labels); i += 2 {
		node.Labels[labels[i]] = labels[i+1]
	}
	node.Status.Allocatable = corev1.ResourceList{
		corev1.ResourceCPU: resource.MustParse("4"), corev1.ResourceMemory: resource.MustParse("8Gi"), corev1.ResourcePods: resource.MustParse("110"),
	}
	return node
}

// testPod returns a pod of one CPU with the label app=x, changed as the test wants.
func testPod(name string, change ...func(*corev1.Pod)) *corev1.Pod {
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name, UID: types.UID(name), Labels: map[string]string{"app": "x"}},
		Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "main", Resources: corev1.ResourceRequirements{
			Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("1")}}}}},
	}
	for _, c := range change {
		c(pod)
	}
	return pod
}

func labelled(key, value string) func(*corev1.Pod) {
	return func(pod *corev1.Pod) { pod.Labels[key] = value }
}

func inNamespace(namespace string) func(*corev1.Pod) {
	return func(pod *corev1.Pod) { pod.Namespace = namespace }
}

func requesting(cpu string) func(*corev1.Pod) {
	return func(pod *corev1.Pod) {
		pod.Spec.Containers[0].Resources.Requests[corev1.ResourceCPU] = resource.MustParse(cpu)
	}
}

// spreadOver adds a hard constraint over the pods with app=x.
func spreadOver(key string, change ...func(*corev1.TopologySpreadConstraint)) func(*corev1.Pod) {
	return func(pod *corev1.Pod) {
		constraint := corev1.TopologySpreadConstraint{
			MaxSkew: 1, TopologyKey: key, WhenUnsatisfiable: corev1.DoNotSchedule,
			LabelSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "x"}},
		}
		for _, c := range change {
			c(&constraint)
		}
		pod.Spec.TopologySpreadConstraints = append(pod.Spec.TopologySpreadConstraints, constraint)
	}
}

func affinityTerms(key, label, value string) []corev1.PodAffinityTerm {
	return []corev1.PodAffinityTerm{{TopologyKey: key, LabelSelector: &metav1.LabelSelector{MatchLabels: map[string]string{label: value}}}}
}

func nearPods(key, label, value string) func(*corev1.Pod) {
	return func(pod *corev1.Pod) {
		if pod.Spec.Affinity == nil {
			pod.Spec.Affinity = &corev1.Affinity{}
		}
		pod.Spec.Affinity.PodAffinity = &corev1.PodAffinity{RequiredDuringSchedulingIgnoredDuringExecution: affinityTerms(key, label, value)}
	}
}

func apartFrom(key, label, value string) func(*corev1.Pod) {
	return func(pod *corev1.Pod) {
		if pod.Spec.Affinity == nil {
			pod.Spec.Affinity = &corev1.Affinity{}
		}
		pod.Spec.Affinity.PodAntiAffinity = &corev1.PodAntiAffinity{RequiredDuringSchedulingIgnoredDuringExecution: affinityTerms(key, label, value)}
	}
}

// mustPut puts a pod on a node.
func mustPut(t *testing.T, c *Cluster, pod *corev1.Pod, node string) {
	t.Helper()
	if err := c.Put(pod, node); err != nil {
		t.Fatal(err)
	}
}

// fitting returns the names of the nodes on which a pod fits. Like Place it trusts the
// rejections that are cached, and caches others.
func fitting(c *Cluster, pod *corev1.Pod, nodes ...string) []string {
	var out []string
	q := c.newQuery(pod)
	for _, node := range nodes {
		slot := c.slots[node]
		if q.isRejected(slot) {
			continue
		}
		if fits, _ := q.check(slot); fits {
			out = append(out, node)
		}
	}
	return out
}
