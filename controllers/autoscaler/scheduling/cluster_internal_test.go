package scheduling

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestInvalidPlacementPanics(t *testing.T) {
	c := emptyCluster(t)
	c.AddNode(testNode("n1"))
	tests := map[string]struct {
		pod  *corev1.Pod
		node string
		want string
	}{
		"a node that does not exist": {testPod("a"), "n2", `adding pod default/a: there is no node "n2"`},
		"no node":                    {testPod("a"), "", `there is no node ""`},
		"a pod without a UID":        {testPod(""), "n1", "it has no UID"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if err := c.Put(test.pod, test.node); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("the error is %v, want %q in it", err, test.want)
			}
		})
	}
	if err := c.AddPod(testPod("a", func(pod *corev1.Pod) { pod.Spec.NodeName = "n2" })); err == nil {
		t.Error("AddPod does not look for the node that the spec names")
	}
	if len(c.pods) != 0 {
		t.Errorf("there are %d pods", len(c.pods))
	}
}

func TestAPodIsOnOneNodeOnly(t *testing.T) {
	c := emptyCluster(t)
	c.AddNode(testNode("n1"))
	c.AddNode(testNode("n2"))
	for _, node := range []string{"n1", "n2", "n2", "n1"} {
		mustPut(t, c, testPod("a"), node)
		for _, name := range []string{"n1", "n2"} {
			want := 0
			if name == node {
				want = 1
			}
			if got := len(c.nodes[c.slots[name]].Pods); got != want {
				t.Errorf("the pod was put on %s: there are %d pods on %s", node, got, name)
			}
		}
	}
}

// A node that changes keeps its pods, also if the new version has no room for them.
func TestANodeIsReplacedUnderItsPods(t *testing.T) {
	c := emptyCluster(t)
	c.AddNode(testNode("n1"))
	c.AddNode(testNode("n2"))
	mustPut(t, c, testPod("a", requesting("3")), "n1")
	small := testNode("n1", "disk", "ssd")
	small.Status.Allocatable = small.Status.Allocatable.DeepCopy()
	small.Status.Allocatable[corev1.ResourceCPU] = resource.MustParse("2")
	before := c.slots["n1"]
	c.AddNode(small, testPod("b"))
	if c.slots["n1"] != before || len(c.nodes[before].Pods) != 2 || c.nodes[before].Requested.MilliCPU != 4000 {
		t.Errorf("it is in slot %d, was in %d, and its pods are %v", c.slots["n1"], before, c.nodes[before].Pods)
	}
	if got := fitting(c, testPod("c"), "n1", "n2"); len(got) != 1 || got[0] != "n2" {
		t.Errorf("another pod fits on %v, want n2", got)
	}
}

func TestRemovingWhatIsNotThereDoesNothing(t *testing.T) {
	c := emptyCluster(t)
	c.RemoveNode("n1")
	c.RemovePod(testPod("a"))
	c.AddNode(testNode("n1"))
	c.RemovePod(testPod("a"))
	if len(c.slots) != 1 || len(c.pods) != 0 {
		t.Errorf("there are %d nodes and %d pods", len(c.slots), len(c.pods))
	}
}

func TestChangesVisibleToAFilter(t *testing.T) {
	tests := map[string]struct {
		change func(*corev1.Node)
		same   bool
	}{
		"nothing":      {func(*corev1.Node) {}, true},
		"a heartbeat":  {func(n *corev1.Node) { n.Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeReady}} }, true},
		"images":       {func(n *corev1.Node) { n.Status.Images = []corev1.ContainerImage{{Names: []string{"a"}}} }, true},
		"the capacity": {func(n *corev1.Node) { n.Status.Capacity = corev1.ResourceList{"cpu": resource.MustParse("9")} }, true},
		"the same in another unit": {func(n *corev1.Node) {
			n.Status.Allocatable = n.Status.Allocatable.DeepCopy()
			n.Status.Allocatable["cpu"] = resource.MustParse("4000m")
		}, true},
		"a label":           {func(n *corev1.Node) { n.Labels["a"] = "b" }, false},
		"an annotation":     {func(n *corev1.Node) { n.Annotations = map[string]string{"a": "b"} }, false},
		"a taint":           {func(n *corev1.Node) { n.Spec.Taints = []corev1.Taint{{Key: "a"}} }, false},
		"a cordon":          {func(n *corev1.Node) { n.Spec.Unschedulable = true }, false},
		"allocatable":       {func(n *corev1.Node) { n.Status.Allocatable = corev1.ResourceList{} }, false},
		"declared features": {func(n *corev1.Node) { n.Status.DeclaredFeatures = []string{"a"} }, false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			changed := testNode("n1")
			test.change(changed)
			if got := equalForPlugins(testNode("n1"), changed); got != test.same {
				t.Errorf("a filter sees them alike: %t, want %t", got, test.same)
			}
		})
	}
}

func TestWhichStatusMayDifferFromTheSpec(t *testing.T) {
	list := corev1.ResourceList{"cpu": resource.MustParse("2")}
	tests := map[string]struct {
		status corev1.PodStatus
		want   bool
	}{
		"no resources":                       {corev1.PodStatus{}, false},
		"a container without resources":      {corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{{Name: "main"}}}, false},
		"a container's resources":            {corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{{Resources: &corev1.ResourceRequirements{Requests: list}}}}, true},
		"allocated resources of a container": {corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{{}, {AllocatedResources: list}}}, true},
		"resources of an init container":     {corev1.PodStatus{InitContainerStatuses: []corev1.ContainerStatus{{AllocatedResources: list}}}, true},
		"resources of the pod":               {corev1.PodStatus{Resources: &corev1.ResourceRequirements{}}, true},
		"allocated resources of the pod":     {corev1.PodStatus{AllocatedResources: list}, true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if got := hasResizeStatus(&corev1.Pod{Status: test.status}); got != test.want {
				t.Errorf("it may: %t, want %t", got, test.want)
			}
		})
	}
}

// contentsOf is all that a Cluster holds, without its caches.
func contentsOf(c *Cluster) map[string][]string {
	out := map[string][]string{}
	for name, slot := range c.slots {
		out[name] = []string{fmt.Sprint("cpu ", c.nodes[slot].Requested.MilliCPU), fmt.Sprint("zone ", c.nodes[slot].Node().Labels["zone"])}
		pods := map[string]bool{}
		for _, pod := range c.nodes[slot].Pods {
			pods[pod.GetPod().Name] = true
		}
		for i := range 30 {
			if name := fmt.Sprint("p", i); pods[name] {
				out[c.nodes[slot].Node().Name] = append(out[c.nodes[slot].Node().Name], name)
			}
		}
	}
	return out
}

func changeAtRandom(random *rand.Rand, c *Cluster) {
	node := fmt.Sprint("n", random.IntN(6))
	pod := testPod(fmt.Sprint("p", random.IntN(30)), requesting("100m"))
	switch random.IntN(5) {
	case 0:
		c.AddNode(testNode(node, "zone", string(rune('a'+random.IntN(3)))))
	case 1:
		c.RemoveNode(node)
	case 2:
		c.RemovePod(pod)
	case 3:
		c.Place(pod)
	default:
		_ = c.Put(pod, node) // it may not exist
	}
}

func TestRevertRestoresTheClusterAfterRandomChanges(t *testing.T) {
	for seed := range uint64(50) {
		random := rand.New(rand.NewPCG(seed, 3))
		c := emptyCluster(t)
		for range 30 {
			changeAtRandom(random, c)
		}
		outer, before := c.Checkpoint(), contentsOf(c)
		for range 20 {
			changeAtRandom(random, c)
		}
		inner, between := c.Checkpoint(), contentsOf(c)
		for range 20 {
			changeAtRandom(random, c)
		}
		c.Revert(inner)
		if diff := cmp.Diff(between, contentsOf(c)); diff != "" {
			t.Fatalf("seed %d: after the inner trial (-want +got):\n%s", seed, diff)
		}
		for range 20 {
			changeAtRandom(random, c)
		}
		c.Revert(outer)
		if diff := cmp.Diff(before, contentsOf(c)); diff != "" {
			t.Fatalf("seed %d: after the outer trial (-want +got):\n%s", seed, diff)
		}
		if len(c.undo) != 0 || c.openCheckpoints != 0 {
			t.Fatalf("seed %d: %d changes can be taken back, %d checkpoints are open", seed, len(c.undo), c.openCheckpoints)
		}
	}
}

// Outside of a trial nothing is to be taken back, so nothing is kept.
func TestChangesWithoutACheckpointAreNotRecorded(t *testing.T) {
	c, random := emptyCluster(t), rand.New(rand.NewPCG(1, 1))
	for range 100 {
		changeAtRandom(random, c)
	}
	if len(c.undo) != 0 {
		t.Errorf("%d changes are recorded", len(c.undo))
	}
}

// A checkpoint that is reverted to twice gives the same both times.
func TestACheckpointCanBeRevertedToFromWithinAnother(t *testing.T) {
	c := emptyCluster(t)
	c.AddNode(testNode("n1"))
	mark := c.Checkpoint()
	c.AddNode(testNode("n2"))
	c.Checkpoint() // and never reverted to
	c.AddNode(testNode("n3"))
	c.Revert(mark)
	if len(c.slots) != 1 || c.openCheckpoints != 0 {
		t.Errorf("there are %d nodes, %d checkpoints are open", len(c.slots), c.openCheckpoints)
	}
}

func TestRequestsOfAPodThatIsOnNoNode(t *testing.T) {
	c := emptyCluster(t)
	pod := testPod("a", func(p *corev1.Pod) {
		p.Spec.Containers[0].Resources.Requests[corev1.ResourceMemory] = resource.MustParse("1Gi")
		p.Spec.Containers = append(p.Spec.Containers, p.Spec.Containers[0])
	})
	if cpu, memory := c.Requests(pod); cpu != 2000 || memory != 2<<30 {
		t.Errorf("it takes %dm and %d bytes", cpu, memory)
	}
	if cpu, memory := c.Requests(&corev1.Pod{}); cpu != 0 || memory != 0 {
		t.Errorf("a pod that requests nothing takes %dm and %d bytes", cpu, memory)
	}
}

// Plugins count a closed node, and Place places nothing on it.
func TestClosedNodes(t *testing.T) {
	c := emptyCluster(t)
	c.AddNode(testNode("n1"))
	mark := c.Checkpoint()
	c.SetClosed("n1", true)
	c.SetClosed("nobody", true)
	if node, placed := c.Place(testPod("a")); placed {
		t.Errorf("the pod is placed on %s", node)
	}
	if fits, reason := c.Fits(testPod("a"), "n1"); !fits {
		t.Errorf("the pod does not fit on the node: %s", reason)
	}
	c.AddNode(testNode("n2"))
	once := testPod("b")
	once.Spec.TopologySpreadConstraints = []corev1.TopologySpreadConstraint{{
		MaxSkew: 1, TopologyKey: corev1.LabelHostname, WhenUnsatisfiable: corev1.DoNotSchedule, LabelSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "x"}},
	}}
	if _, placed := c.Place(once); !placed {
		t.Error("the first pod of a spread fits nowhere")
	}
	again := once.DeepCopy()
	again.UID, again.Name = "c", "c"
	if node, placed := c.Place(again); placed {
		t.Errorf("the second pod of a spread is placed on %s: the closed node does not count", node)
	}
	inner := c.Checkpoint()
	c.RemoveNode("n1")
	if _, placed := c.Place(again); !placed {
		t.Error("the second pod of a spread fits nowhere when the closed node is gone")
	}
	c.Revert(inner)
	if _, placed := c.Place(again); placed {
		t.Error("a closed node that was removed comes back open")
	}
	c.Revert(mark)
	if node, _ := c.Place(testPod("a")); node != "n1" {
		t.Errorf("the pod is placed on %q, want n1, which is open again", node)
	}
}

// A node that takes the name of a closed one is open.
func TestNodeThatIsReplacedIsNotClosed(t *testing.T) {
	c := emptyCluster(t)
	c.AddNode(testNode("n1"))
	c.SetClosed("n1", true)
	c.RemoveNode("n1")
	c.AddNode(testNode("n1"))
	if _, placed := c.Place(testPod("a")); !placed {
		t.Error("the node is closed")
	}
	c.SetClosed("n1", true)
	c.SetClosed("n1", false)
	if _, placed := c.Place(testPod("b")); !placed {
		t.Error("the node is closed although it was opened")
	}
}
