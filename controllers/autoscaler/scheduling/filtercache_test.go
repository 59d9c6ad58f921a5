package scheduling

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/sets"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins/names"
)

// fakeFilter rejects the nodes that are in it, and counts the questions.
type fakeFilter struct {
	fwk.FilterPlugin
	rejects map[string]string
	asked   []string
}

func (f *fakeFilter) Filter(_ context.Context, _ fwk.CycleState, _ *corev1.Pod, node fwk.NodeInfo) *fwk.Status {
	f.asked = append(f.asked, node.Node().Name)
	if reason := f.rejects[node.Node().Name]; reason != "" {
		return fwk.NewStatus(fwk.Unschedulable, reason)
	}
	return nil
}

// fakeResult is a PreFilter with a fixed answer.
type fakeResult struct {
	fwk.PreFilterPlugin
	result *fwk.PreFilterResult
	status *fwk.Status
}

func (f fakeResult) PreFilter(context.Context, fwk.CycleState, *corev1.Pod, []fwk.NodeInfo) (*fwk.PreFilterResult, *fwk.Status) {
	return f.result, f.status
}

// fakeTracker rejects further slots with each one.
type fakeTracker struct {
	tracker
	also        map[int][]int
	invalidated []int
}

func (f *fakeTracker) alsoRejected(slot int, _ *fwk.Status) []int { return f.also[slot] }
func (f *fakeTracker) slotInvalidated(slot int)                   { f.invalidated = append(f.invalidated, slot) }

func nodeInfo(name string) *framework.NodeInfo {
	info := framework.NewNodeInfo()
	info.SetNode(testNode(name))
	return info
}

func TestPreFilterRejectionAppliesToEveryNode(t *testing.T) {
	tests := map[string]struct {
		preFilter fwk.PreFilterPlugin
		skipped   bool
		asked     []string // nodes that Filter is asked about
		want      []string // the reason of n1 and n2; empty if they are accepted
	}{
		"no PreFilter":            {nil, false, []string{"n1", "n2"}, []string{"", "full"}},
		"success":                 {fakeResult{}, false, []string{"n1", "n2"}, []string{"", "full"}},
		"skip":                    {fakeResult{status: fwk.NewStatus(fwk.Skip)}, true, nil, nil},
		"a rejection":             {fakeResult{status: fwk.NewStatus(fwk.UnschedulableAndUnresolvable, "no claim", "no class")}, false, nil, []string{"no claim, no class", "no claim, no class"}},
		"an error":                {fakeResult{status: fwk.NewStatus(fwk.Error, "broken")}, false, nil, []string{"broken", "broken"}},
		"some nodes":              {fakeResult{result: &fwk.PreFilterResult{NodeNames: sets.New("n1")}}, false, []string{"n1"}, []string{"", reasonNotSelected}},
		"all nodes, by no result": {fakeResult{result: &fwk.PreFilterResult{}}, false, []string{"n1", "n2"}, []string{"", "full"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			filter := &fakeFilter{rejects: map[string]string{"n2": "full"}}
			f := &filterCache{plugin: &plugin{filter: filter, preFilter: test.preFilter}, pod: testPod("a"), rejected: &slotSet{}}
			f.runPreFilter(framework.NewCycleState(), nil)
			if f.skipped != test.skipped {
				t.Fatalf("skipped: %t, want %t", f.skipped, test.skipped)
			}
			if f.skipped {
				return // such a cache is not asked
			}
			var got []string
			for slot, node := range []string{"n1", "n2"} {
				ok, reason := f.check(f.pod, slot, nodeInfo(node))
				if ok != (reason == "") {
					t.Errorf("node %s: %t, %q", node, ok, reason)
				}
				if f.rejected.has(slot) == ok {
					t.Errorf("node %s: %t, but the rejection is remembered: %t", node, ok, f.rejected.has(slot))
				}
				got = append(got, reason)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("reasons (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(test.asked, filter.asked); diff != "" {
				t.Errorf("nodes that Filter was asked about (-want +got):\n%s", diff)
			}
		})
	}
}

func TestEvaluateDoesNotCache(t *testing.T) {
	f := &filterCache{plugin: &plugin{filter: &fakeFilter{rejects: map[string]string{"n1": "full"}}}, pod: testPod("a"), rejected: &slotSet{}}
	if f.evaluate(f.pod, nodeInfo("n1")).IsSuccess() {
		t.Error("the node is accepted")
	}
	if f.rejected.has(0) {
		t.Error("the rejection is remembered")
	}
}

func TestARejectionCarriesOverToTheSlotsOfTheTracker(t *testing.T) {
	also := &fakeTracker{also: map[int][]int{1: {4, 7}}}
	f := &filterCache{plugin: &plugin{filter: &fakeFilter{rejects: map[string]string{"n1": "full"}}}, pod: testPod("a"), rejected: &slotSet{}, tracker: also}
	f.check(f.pod, 0, nodeInfo("n0"))
	f.check(f.pod, 1, nodeInfo("n1"))
	for slot, want := range []bool{false, true, false, false, true, false, false, true} {
		if f.rejected.has(slot) != want {
			t.Errorf("slot %d is rejected: %t, want %t", slot, f.rejected.has(slot), want)
		}
	}
	f.invalidate(4)
	if f.rejected.has(4) || !f.rejected.has(7) {
		t.Error("another slot than 4 was invalidated")
	}
	if diff := cmp.Diff([]int{4}, also.invalidated); diff != "" {
		t.Errorf("slots of which the tracker was notified (-want +got):\n%s", diff)
	}
}

// countingFilter replaces the filter of a plugin by one that counts the questions about nodes.
type countingFilter struct {
	fwk.FilterPlugin
	questions int
}

func (c *countingFilter) Filter(ctx context.Context, state fwk.CycleState, pod *corev1.Pod, node fwk.NodeInfo) *fwk.Status {
	c.questions++
	return c.FilterPlugin.Filter(ctx, state, pod, node)
}

func countFilterCalls(c *Cluster, name string) *countingFilter {
	for _, p := range c.plugins {
		if p.name == name {
			out := &countingFilter{FilterPlugin: p.filter}
			p.filter = out
			return out
		}
	}
	return nil
}

// This is what makes large decisions fast: ten thousand pods of a Deployment cost as many
// questions as one.
func TestRejectionIsCachedForIdenticalPods(t *testing.T) {
	c := emptyCluster(t)
	questions := countFilterCalls(c, names.NodeResourcesFit)
	for _, name := range []string{"n1", "n2", "n3"} {
		c.AddNode(testNode(name))
		mustPut(t, c, testPod("filler-"+name, requesting("4")), name)
	}
	for _, name := range []string{"a", "b", "c"} {
		if _, placed := c.Place(testPod(name)); placed {
			t.Fatalf("pod %s was placed", name)
		}
	}
	if questions.questions != 3 {
		t.Errorf("the plugin was asked %d times, want once for each node", questions.questions)
	}

	// A pod that goes makes room on its node only.
	c.RemovePod(testPod("filler-n2"))
	if node, _ := c.Place(testPod("d")); node != "n2" {
		t.Errorf("the pod was placed on %q, want n2", node)
	}
	if questions.questions != 4 {
		t.Errorf("the plugin was asked %d times, want once more", questions.questions)
	}
}

func TestHeartbeatInvalidatesNoCache(t *testing.T) {
	c := emptyCluster(t)
	questions := countFilterCalls(c, names.NodeResourcesFit)
	full := testNode("n1")
	c.AddNode(full)
	mustPut(t, c, testPod("filler", requesting("4")), "n1")
	c.Place(testPod("a"))
	before := questions.questions

	beat := full.DeepCopy()
	beat.ResourceVersion = "2"
	beat.Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}}
	c.AddNode(beat)
	c.Place(testPod("b"))
	if questions.questions != before {
		t.Error("the plugin was asked again")
	}
	if info, err := (sharedLister{cluster: c}).Get("n1"); err != nil || info.Node() != beat {
		t.Errorf("plugins see another version of the node (%v)", err)
	}

	larger := beat.DeepCopy()
	larger.Status.Allocatable = testNode("n1").Status.Allocatable.DeepCopy()
	larger.Status.Allocatable[corev1.ResourceCPU] = *testPod("x", requesting("8")).Spec.Containers[0].Resources.Requests.Cpu()
	c.AddNode(larger)
	if node, placed := c.Place(testPod("c")); !placed || node != "n1" {
		t.Error("a node that has grown is not asked again")
	}
}

func TestTheReasonsOfAStatusAreJoined(t *testing.T) {
	for _, test := range []struct {
		status *fwk.Status
		want   string
	}{
		{nil, ""}, {fwk.NewStatus(fwk.Success), ""},
		{fwk.NewStatus(fwk.Unschedulable, "a"), "a"}, {fwk.NewStatus(fwk.Unschedulable, "a", "b"), "a, b"},
	} {
		if got := reasonOf(test.status); got != test.want {
			t.Errorf("the reason is %q, want %q", got, test.want)
		}
	}
}
