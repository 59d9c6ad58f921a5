package drain

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
)

func TestResultString(t *testing.T) {
	for name, test := range map[string]struct {
		result Result
		want   string
		left   int
	}{
		"no pod is left": {Result{Ignored: 4}, "No pod is left to evict.", 0},
		"one pod is ending": {
			Result{Evicted: []string{"default/a"}}, "1 pod left: 1 ending (default/a).", 1},
		"pods that were evicted now and before are named in order": {
			Result{Evicted: []string{"default/b"}, Ending: []string{"default/a"}}, "2 pods left: 2 ending (default/a; default/b).", 2},
		"a reason is quoted without its full stop": {
			Result{Blocked: []BlockedPod{{"default/a", "the budget forbids it."}}}, "1 pod left: 1 held (default/a: the budget forbids it).", 1},
		"pods that are ending and pods that are blocked": {
			Result{Ending: []string{"default/a"}, Blocked: []BlockedPod{{"default/b", "no"}}}, "2 pods left: 1 ending (default/a), 1 held (default/b: no).", 2},
		"the maximum number of named pods": {
			Result{Ending: []string{"d/a", "d/b", "d/c"}}, "3 pods left: 3 ending (d/a; d/b; d/c).", 3},
		"more than the maximum number of named pods": {
			Result{Ending: []string{"d/a", "d/b", "d/c", "d/d"}}, "4 pods left: 4 ending (d/a; d/b; d/c and 1 more).", 4},
	} {
		t.Run(name, func(t *testing.T) {
			if got := test.result.String(); got != test.want {
				t.Errorf("got  %q\nwant %q", got, test.want)
			}
			if got := test.result.Left(); got != test.left || test.result.Done() != (test.left == 0) {
				t.Errorf("%d are left, done: %t, want %d", got, test.result.Done(), test.left)
			}
		})
	}
}

func TestEachPodGetsADecisionInOrder(t *testing.T) {
	pods := []corev1.Pod{*pod("a", phase(corev1.PodFailed)), *pod("b"), *pod("c", static)}
	got := DecideAll(pods, Options{Now: noon})
	want := []Verdict{Ignore, Evict, Ignore}
	for i, d := range got.Decisions {
		if d.Pod != &pods[i] || d.Verdict != want[i] || d.Reason == "" {
			t.Errorf("pod %s: %s (%s), want %s and a reason", d.Pod.Name, d.Verdict, d.Reason, want[i])
		}
	}
	if len(got.Decisions) != len(pods) {
		t.Errorf("%d decisions on %d pods", len(got.Decisions), len(pods))
	}
}
