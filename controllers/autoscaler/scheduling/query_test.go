package scheduling

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

func TestAPodThatFitsNowhereChangesNothing(t *testing.T) {
	c := emptyCluster(t)
	c.AddNode(testNode("n1"))
	running := testPod("a")
	mustPut(t, c, running, "n1")
	large := testPod("a", requesting("5")) // the same pod, asked for anew
	if node, placed := c.Place(large); placed || node != "" {
		t.Errorf("it was placed on %q", node)
	}
	if cpu, _ := c.Requests(running); cpu != 1000 {
		t.Errorf("the pod that runs takes %dm now", cpu)
	}
	if got := len(c.nodes[c.slots["n1"]].Pods); got != 1 {
		t.Errorf("there are %d pods on the node", got)
	}
}

func TestAPodWithoutAUIDIsNotPlaced(t *testing.T) {
	c := emptyCluster(t)
	c.AddNode(testNode("n1"))
	if _, placed := c.Place(testPod("")); placed {
		t.Error("it was placed")
	}
}

func TestAPodThatIsPlacedAgainMoves(t *testing.T) {
	c := emptyCluster(t)
	c.AddNode(testNode("n1"))
	c.AddNode(testNode("n2"))
	pod := testPod("a", requesting("3"))
	mustPut(t, c, pod, "n2")
	if node, _ := c.Place(pod); node != "n1" {
		t.Errorf("it was placed on %q, want the first node", node)
	}
	if got := len(c.nodes[c.slots["n2"]].Pods); got != 0 {
		t.Errorf("%d pods are left on the node that it was on", got)
	}
}

// Slots are looked through 64 at a time: none may be forgotten at the borders.
func TestFirstFittingNodeIsFound(t *testing.T) {
	for _, free := range []int{0, 1, 62, 63, 64, 65, 127, 128, 199} {
		c := emptyCluster(t)
		for i := range 200 {
			c.AddNode(testNode(fmt.Sprint("n", i)))
			if i != free {
				mustPut(t, c, testPod(fmt.Sprint("filler-", i), requesting("4")), fmt.Sprint("n", i))
			}
		}
		if node, placed := c.Place(testPod("a")); !placed || node != fmt.Sprint("n", free) {
			t.Errorf("the pod was placed on %q, want n%d", node, free)
		}
	}
}

func TestANodeThatDoesNotExistFitsNothing(t *testing.T) {
	c := emptyCluster(t)
	if fits, why := c.Fits(testPod("a"), "n1"); fits || why != "there is no such node" {
		t.Errorf("it fits: %t, %q", fits, why)
	}
	if c.CanReplace(c.AddTemplate(testNode("t"), nil), "n1", nil) {
		t.Error("it can be replaced")
	}
	if got := c.Explain(testPod("a")); len(got) != 0 {
		t.Errorf("%v nodes of none refuse", got)
	}
}

func TestRefusalsAreOrderedByTheirNumber(t *testing.T) {
	c := emptyCluster(t)
	taint := func(node *corev1.Node) *corev1.Node {
		node.Spec.Taints = []corev1.Taint{{Key: "dedicated", Effect: corev1.TaintEffectNoSchedule}}
		return node
	}
	cordoned := testNode("cordoned")
	cordoned.Spec.Unschedulable = true
	for _, node := range []*corev1.Node{taint(testNode("t1")), testNode("small1"), taint(testNode("t2")), testNode("small2"), taint(testNode("t3")), cordoned} {
		c.AddNode(node)
	}
	want := []Refusal{
		{"node(s) had untolerated taint(s)", 3},
		{"Insufficient cpu", 2},
		{"node(s) were unschedulable", 1},
	}
	if diff := cmp.Diff(want, c.Explain(testPod("a", requesting("5")))); diff != "" {
		t.Errorf("refusals (-want +got):\n%s", diff)
	}
	got := c.Explain(testPod("b")) // it fits on the small ones
	if len(got) != 2 || got[0].Nodes != 3 || got[1].Nodes != 1 {
		t.Errorf("refusals of the smaller pod: %v", got)
	}
}

func TestATemplateIsNotANode(t *testing.T) {
	c := emptyCluster(t)
	c.AddNode(testNode("n1", "zone", "a"))
	mustPut(t, c, testPod("filler", requesting("4")), "n1")
	template := c.AddTemplate(testNode("t", "zone", "b"), []*corev1.Pod{testPod("daemon")})
	pod := testPod("a")
	if node, placed := c.Place(pod); placed {
		t.Errorf("the pod was placed on %q", node)
	}
	if got := len(c.listNodeInfos()); got != 1 {
		t.Errorf("plugins see %d nodes, want 1", got)
	}
	if _, err := (sharedLister{cluster: c}).Get("t"); err == nil {
		t.Error("plugins find the template by name")
	}
	if fits, why := c.FitsTemplate(pod, template); !fits {
		t.Errorf("the pod does not fit on the template: %s", why)
	}
	if fits, why := c.FitsTemplate(testPod("b", requesting("3500m")), template); fits || why != "Insufficient cpu" {
		t.Errorf("a pod that its own pod leaves no room for: %t, %q", fits, why)
	}
	// A domain that only a template has does not count.
	if fits, why := c.Fits(testPod("c", spreadOver("zone"), requesting("0")), "n1"); fits != (why == "") {
		t.Errorf("it fits: %t, %q", fits, why)
	}
	mark := c.Checkpoint()
	c.Revert(mark)
	if fits, _ := c.FitsTemplate(pod, template); !fits {
		t.Error("the template was reverted")
	}
	c.RemoveTemplate(template)
	c.AddNode(testNode("n2"))
	if c.slots["n2"] != int(template) {
		t.Error("the slot of the template is not used again")
	}
}

func TestTheFirstTemplateThatAPodFitsOn(t *testing.T) {
	c := emptyCluster(t)
	large := testNode("large")
	large.Status.Allocatable = large.Status.Allocatable.DeepCopy()
	large.Status.Allocatable[corev1.ResourceCPU] = resource.MustParse("16")
	templates := []Template{c.AddTemplate(testNode("small"), nil), c.AddTemplate(large, nil), c.AddTemplate(testNode("ssd", "disk", "ssd"), nil)}
	selecting := func(pod *corev1.Pod) { pod.Spec.NodeSelector = map[string]string{"disk": "ssd"} }
	tests := map[string]struct {
		pod       *corev1.Pod
		templates []Template
		want      int
	}{
		"a small pod":                           {testPod("a"), templates, 0},
		"a large pod":                           {testPod("a", requesting("8")), templates, 1},
		"a pod with a node selector":            {testPod("a", selecting), templates, 2},
		"the index is the position in the list": {testPod("a", requesting("8")), templates[1:], 0},
		"a pod that fits on none":               {testPod("a", requesting("32")), templates, -1},
		"no template":                           {testPod("a"), nil, -1},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			for range 2 {
				if got := c.FirstTemplate(test.pod, test.templates); got != test.want {
					t.Errorf("it is %d, want %d", got, test.want)
				}
			}
		})
	}
}

func TestWhetherANodeCanBeReplaced(t *testing.T) {
	c := emptyCluster(t)
	c.AddNode(testNode("n1", "zone", "a"))
	c.AddNode(testNode("n2", "zone", "a"))
	c.indexLabel("zone")
	small := func(labels ...string) *corev1.Node {
		node := testNode("small", labels...)
		node.Status.Allocatable = node.Status.Allocatable.DeepCopy()
		node.Status.Allocatable[corev1.ResourceCPU] = resource.MustParse("2")
		return node
	}
	onPort := func(pod *corev1.Pod) {
		pod.Spec.Containers[0].Ports = []corev1.ContainerPort{{HostPort: 80, ContainerPort: 80, Protocol: corev1.ProtocolTCP}}
	}
	selecting := func(pod *corev1.Pod) { pod.Spec.NodeSelector = map[string]string{"disk": "ssd"} }
	tests := map[string]struct {
		node    *corev1.Node
		daemons []*corev1.Pod
		pods    []*corev1.Pod
		want    bool
	}{
		"its pods fit":                          {small("zone", "a"), nil, []*corev1.Pod{testPod("a"), testPod("b")}, true},
		"no pods":                               {small("zone", "a"), nil, nil, true},
		"too many pods":                         {small("zone", "a"), nil, []*corev1.Pod{testPod("a"), testPod("b"), testPod("c")}, false},
		"requests of DaemonSet pods count":      {small("zone", "a"), []*corev1.Pod{testPod("d")}, []*corev1.Pod{testPod("a"), testPod("b")}, false},
		"another zone":                          {small("zone", "b"), nil, []*corev1.Pod{testPod("a")}, false},
		"no zone":                               {small(), nil, []*corev1.Pod{testPod("a")}, false},
		"pods with anti-affinity to each other": {small("zone", "a"), nil, []*corev1.Pod{testPod("a", onPort), testPod("b", onPort)}, false},
		"a pod that selects other nodes":        {small("zone", "a"), nil, []*corev1.Pod{testPod("a", selecting)}, false},
		"a pod whose node selector matches":     {small("zone", "a", "disk", "ssd"), nil, []*corev1.Pod{testPod("a", selecting)}, true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			template := c.AddTemplate(test.node, test.daemons)
			defer c.RemoveTemplate(template)
			for range 2 { // asking changes nothing
				if got := c.CanReplace(template, "n1", test.pods); got != test.want {
					t.Errorf("it can: %t, want %t", got, test.want)
				}
			}
		})
	}
}
