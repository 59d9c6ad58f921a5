package backoff

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// pod returns a pod; owned pods have a controller of that name.
func pod(name, owner string) *corev1.Pod {
	p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name, UID: types.UID(name)}}
	if owner != "" {
		p.OwnerReferences = []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: "ReplicaSet", Name: owner, UID: types.UID(owner), Controller: new(true)}}
	}
	return p
}

func names(pods []*corev1.Pod) []string {
	var out []string
	for _, p := range pods {
		out = append(out, p.Name)
	}
	return out
}

// always returns the same outcome for every node.
func always(o Outcome) func(string, []*corev1.Pod) Outcome {
	return func(string, []*corev1.Pod) Outcome { return o }
}

// attempts returns Owners that have created some nodes for the pods of the owner web.
func attempts(nodes int) Owners {
	o := Owners{}
	for i := range nodes {
		o.RecordNode(pod("any", "web"), fmt.Sprintf("n%d", i+1))
	}
	return o
}

func TestPodsAreHeldAfterThreeNodesThatDidNotHelp(t *testing.T) {
	tests := map[string]struct {
		nodes   int
		outcome Outcome
		held    bool
	}{
		"three nodes that refuse the pods":     {3, Refused, true},
		"two nodes that refuse the pods":       {2, Refused, false},
		"three nodes that help":                {3, Helped, false},
		"three nodes whose outcome is unclear": {3, Unclear, false},
		"three nodes that were removed":        {3, Gone, false},
		"no node":                              {0, Refused, false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			o, pods := attempts(test.nodes), []*corev1.Pod{pod("a", "web"), pod("b", "other"), pod("c", "web"), pod("d", "")}
			o.Update(pods, always(test.outcome), noon)
			pending, held := o.Split(pods)
			wantPending, wantHeld := []string{"a", "b", "c", "d"}, []string(nil)
			if test.held {
				wantPending, wantHeld = []string{"b", "d"}, []string{"a", "c"}
			}
			if diff := cmp.Diff(wantPending, names(pending)); diff != "" {
				t.Errorf("pending (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(wantHeld, names(held)); diff != "" {
				t.Errorf("held (-want +got):\n%s", diff)
			}
		})
	}
}

func TestSplitDoesNotModifyTheOwners(t *testing.T) {
	o, pods := attempts(3), []*corev1.Pod{pod("a", "web")}
	o.Update(pods, always(Refused), noon)
	for range 3 {
		if _, held := o.Split(pods); len(held) != 1 {
			t.Fatal("the pod is not held any more")
		}
	}
}

func TestPodWithoutControllerIsItsOwnOwner(t *testing.T) {
	o := Owners{}
	for i := range 3 {
		o.RecordNode(pod("a", ""), fmt.Sprint("n", i))
	}
	pods := []*corev1.Pod{pod("a", ""), pod("b", "")}
	o.Update(pods, always(Refused), noon)
	pending, held := o.Split(pods)
	if diff := cmp.Diff([][]string{{"b"}, {"a"}}, [][]string{names(pending), names(held)}); diff != "" {
		t.Errorf("pending and held (-want +got):\n%s", diff)
	}
}

func TestHoldExpiresAndNextHoldIsLonger(t *testing.T) {
	o, pods, now := Owners{}, []*corev1.Pod{pod("a", "web")}, noon
	for round, want := range []time.Duration{HoldTime, 2 * HoldTime, 4 * HoldTime, 8 * HoldTime, 8 * HoldTime} {
		for i := range 3 {
			o.RecordNode(pods[0], fmt.Sprintf("r%d-n%d", round, i))
		}
		o.Update(pods, always(Refused), now)
		for _, passed := range []time.Duration{0, want - time.Nanosecond} {
			o.Update(pods, always(Refused), now.Add(passed))
			if _, held := o.Split(pods); len(held) != 1 {
				t.Fatalf("round %d: the pod is not held after %s", round, passed)
			}
		}
		now = now.Add(want)
		o.Update(pods, always(Refused), now)
		if pending, _ := o.Split(pods); len(pending) != 1 {
			t.Fatalf("round %d: the pod is still held after %s", round, want)
		}
		if left := o.RefusedNodes(pods[0]); left != nil {
			t.Fatalf("round %d: %v still count", round, left)
		}
	}
}

func TestNodeThatTakesPodsEndsTheHold(t *testing.T) {
	o, pods := attempts(3), []*corev1.Pod{pod("a", "web")}
	o.Update(pods, always(Refused), noon)
	o.Update(pods, func(node string, _ []*corev1.Pod) Outcome {
		if node == "n2" {
			return Helped
		}
		return Refused
	}, noon.Add(time.Second))
	if pending, _ := o.Split(pods); len(pending) != 1 {
		t.Error("the pod is still held")
	}
	if diff := cmp.Diff([]string{"n1", "n3"}, o.RefusedNodes(pods[0])); diff != "" {
		t.Errorf("nodes that did not help (-want +got):\n%s", diff)
	}
}

// A node that did not help is removed soon, since it is empty. It must count for a while
// longer, or there would never be three.
func TestDeletedNodeCountsAsAttemptUntilItExpires(t *testing.T) {
	o, pods := attempts(3), []*corev1.Pod{pod("a", "web")}
	o.Update(pods, always(Refused), noon)
	o.Update(pods, always(Gone), noon.Add(HoldTime-time.Second))
	if _, held := o.Split(pods); len(held) != 1 {
		t.Error("the pod is not held although its nodes did not help")
	}

	o = attempts(2)
	o.Update(pods, always(Refused), noon)
	o.Update(pods, always(Gone), noon.Add(HoldTime))
	if got := o.RefusedNodes(pods[0]); len(got) != 2 {
		t.Errorf("%v count, want both", got)
	}
	o.Update(pods, always(Gone), noon.Add(HoldTime+time.Nanosecond))
	if got := o.RefusedNodes(pods[0]); got != nil {
		t.Errorf("%v still count", got)
	}
}

func TestOwnersWithoutPodsAndNodesAreDropped(t *testing.T) {
	tests := map[string]struct {
		pods    []*corev1.Pod
		outcome Outcome
		kept    bool
	}{
		"nodes removed, no pending pod": {nil, Gone, false},
		"nodes removed, a pending pod":  {[]*corev1.Pod{pod("a", "web")}, Gone, true},
		"nodes exist, no pending pod":   {nil, Unclear, true},
		"a pod of another owner only":   {[]*corev1.Pod{pod("a", "other")}, Gone, false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			o := attempts(2)
			o.Update(test.pods, always(test.outcome), noon)
			if kept := len(o) == 1; kept != test.kept {
				t.Errorf("the owner is remembered: %t, want %t", kept, test.kept)
			}
		})
	}
}

func TestNodeIsTriedOnlyWithPodsOfItsOwner(t *testing.T) {
	o := attempts(1)
	var pods []*corev1.Pod
	for i := range podsChecked + 50 {
		pods = append(pods, pod(fmt.Sprint("web-", i), "web"), pod(fmt.Sprint("other-", i), "other"))
	}
	calls := 0
	o.Update(pods, func(node string, tried []*corev1.Pod) Outcome {
		calls++
		if node != "n1" || len(tried) != podsChecked {
			t.Errorf("node %s is tried with %d pods, want n1 with %d", node, len(tried), podsChecked)
		}
		for _, p := range tried {
			if ownerUID(p) != "web" {
				t.Errorf("pod %s of another owner is tried", p.Name)
			}
		}
		return Unclear
	}, noon)
	if calls != 1 {
		t.Errorf("%d nodes are tried, want 1", calls)
	}
}

func TestRefusedNodesOfUnknownOwner(t *testing.T) {
	if got := (Owners{}).RefusedNodes(pod("a", "web")); got != nil {
		t.Errorf("they are %v", got)
	}
}
