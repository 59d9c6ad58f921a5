package scheduling

import (
	"fmt"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestPodsOfOneTemplateAreOneClass(t *testing.T) {
	c := emptyCluster(t)
	first := c.classOf(testPod("a"))
	same := map[string]*corev1.Pod{
		"another name":              testPod("b"),
		"a node":                    testPod("c", func(pod *corev1.Pod) { pod.Spec.NodeName = "n1" }),
		"a status":                  testPod("d", func(pod *corev1.Pod) { pod.Status.Phase = corev1.PodRunning }),
		"annotations":               testPod("e", func(pod *corev1.Pod) { pod.Annotations = map[string]string{"a": "b"} }),
		"another service account":   testPod("f", func(pod *corev1.Pod) { pod.Spec.ServiceAccountName = "other" }),
		"a preferred node affinity": testPod("g", func(pod *corev1.Pod) { pod.Spec.Affinity = &corev1.Affinity{NodeAffinity: &corev1.NodeAffinity{}} }),
	}
	for name, pod := range same {
		if c.classOf(pod) != first {
			t.Errorf("a pod with %s is in another class", name)
		}
	}
	other := map[string]*corev1.Pod{
		"other requests":    testPod("h", requesting("2")),
		"another label":     testPod("i", labelled("app", "y")),
		"another namespace": testPod("j", inNamespace("other")),
		"a constraint":      testPod("k", spreadOver(corev1.LabelHostname)),
		"an affinity":       testPod("l", nearPods(corev1.LabelHostname, "app", "x")),
		"a node selector":   testPod("m", func(pod *corev1.Pod) { pod.Spec.NodeSelector = map[string]string{"a": "b"} }),
		"a toleration": testPod("n", func(pod *corev1.Pod) {
			pod.Spec.Tolerations = []corev1.Toleration{{Operator: corev1.TolerationOpExists}}
		}),
	}
	seen := map[*equivalenceClass]string{first: "nothing"}
	for name, pod := range other {
		class := c.classOf(pod)
		if same, known := seen[class]; known {
			t.Errorf("a pod with %s is in the class of a pod with %s", name, same)
		}
		seen[class] = name
	}
}

func TestPodsAreTrackedAlikeWhateverTheyRequest(t *testing.T) {
	c := emptyCluster(t)
	a, b := c.classOf(testPod("a")), c.classOf(testPod("b", requesting("2")))
	if a == b || a.tracked != b.tracked {
		t.Error("pods that differ in requests are two classes, which trackers see alike")
	}
	if c.classOf(testPod("c", labelled("app", "y"))).tracked == a.tracked {
		t.Error("pods that differ in labels are seen alike")
	}
}

// An endless stream of different pods must not fill the memory.
func TestTheNumberOfClassesIsBounded(t *testing.T) {
	c := emptyCluster(t)
	c.AddNode(testNode("n1"))
	generation := c.generation
	for i := range maxClasses + 10 {
		c.classOf(testPod("a", labelled("number", fmt.Sprint(i))))
		if len(c.classes) > maxClasses {
			t.Fatalf("there are %d classes", len(c.classes))
		}
	}
	if c.generation == generation {
		t.Error("the caches were not reset")
	}
	if node, placed := c.Place(testPod("b")); !placed || node != "n1" {
		t.Errorf("after that the pod is placed on %q", node)
	}
}

// Pods that were put before the caches were reset still count for what is learned after.
func TestPodsSurviveAClassReset(t *testing.T) {
	c := emptyCluster(t)
	c.AddNode(testNode("n1"))
	c.AddNode(testNode("n2"))
	mustPut(t, c, testPod("a"), "n1")
	apart := testPod("b", apartFrom(corev1.LabelHostname, "app", "x"))
	for range 2 {
		if got := fitting(c, apart, "n1", "n2"); len(got) != 1 || got[0] != "n2" {
			t.Errorf("it fits on %v, want n2", got)
		}
		c.resetCaches()
	}
	c.RemovePod(testPod("a"))
	if got := fitting(c, apart, "n1", "n2"); len(got) != 2 {
		t.Errorf("after the pod is gone it fits on %v", got)
	}
}

func TestTheInfoOfAClassIsThatOfThePod(t *testing.T) {
	c := emptyCluster(t)
	a, b := testPod("a"), testPod("b")
	class := c.classOf(a)
	if class.infoFor(b).Pod != b || class.infoFor(a).Pod != a {
		t.Error("the info is of another pod")
	}
	cpu := class.infoFor(b).CalculateResource().Resource.GetMilliCPU()
	if cpu != 1000 {
		t.Errorf("it requests %dm", cpu)
	}
}

func TestInvalidTermsAreIgnored(t *testing.T) {
	c := emptyCluster(t)
	c.AddNode(testNode("n1"))
	broken := testPod("a", func(pod *corev1.Pod) {
		pod.Spec.Affinity = &corev1.Affinity{PodAffinity: &corev1.PodAffinity{RequiredDuringSchedulingIgnoredDuringExecution: []corev1.PodAffinityTerm{{
			TopologyKey:   corev1.LabelHostname,
			LabelSelector: &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "a", Operator: "Unknown"}}},
		}}}}
	})
	if fits, why := c.Fits(broken, "n1"); fits || why == "" {
		t.Errorf("it fits: %t, %q", fits, why)
	}
	if node, placed := c.Place(testPod("b")); !placed || node != "n1" {
		t.Error("another pod is not placed any more")
	}
}
