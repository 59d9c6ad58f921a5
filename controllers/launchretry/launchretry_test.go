package launchretry

import (
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/mesos/scheduler"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// failOn fails on the agents, one after the other, and returns the waits before each
// next attempt, and the failures at the end.
func failOn(agents ...string) (waits []time.Duration, status v1alpha1.MesosNodeStatus) {
	now := noon
	for _, agent := range agents {
		status.Task = &v1alpha1.MesosTask{AgentID: agent, State: string(scheduler.TaskFailed), UpdateTime: &metav1.Time{Time: now}}
		plan := Decide(status)
		waits = append(waits, plan.At.Sub(now))
		status.Failures, now = plan.Failures, plan.At
	}
	return waits, status
}

func TestBackoffGrowsWithEachFailure(t *testing.T) {
	waits, status := failOn("a", "b", "c", "d", "a", "a")
	want := []time.Duration{0, 0, 10 * time.Second, 20 * time.Second, 40 * time.Second, 80 * time.Second}
	if diff := cmp.Diff(want, waits); diff != "" {
		t.Errorf("waits (-want +got):\n%s", diff)
	}
	counts := map[string]int32{}
	for _, f := range status.Failures {
		counts[f.AgentID] = f.Count
	}
	if diff := cmp.Diff(map[string]int32{"a": 3, "b": 1, "c": 1, "d": 1}, counts); diff != "" {
		t.Errorf("failures in a row (-want +got):\n%s", diff)
	}
}

func TestLastFailureIsReported(t *testing.T) {
	_, status := failOn("a", "a", "a", "b")
	if got := LastMessage(status.Failures); !strings.Contains(got, "agent b ended") {
		t.Errorf("the message is %q", got)
	}
	long := &v1alpha1.MesosTask{AgentID: "a", State: string(scheduler.TaskFailed), Message: strings.Repeat("ä", maxFailureMessage)}
	if got := LastMessage(recordFailure(nil, long, noon)); len(got) > maxFailureMessage || !utf8.ValidString(got) {
		t.Errorf("%d bytes, valid: %t", len(got), utf8.ValidString(got))
	}
	if got := LastMessage(nil); got != "" {
		t.Errorf("without failures: %q", got)
	}
}

func TestBackoffIsBounded(t *testing.T) {
	var agents []string
	for i := range 100 {
		agents = append(agents, fmt.Sprintf("a%d", i%40))
	}
	waits, status := failOn(agents...)
	if longest := waits[len(waits)-1]; longest > MaxBackoff {
		t.Errorf("waits %s, want %s at most", longest, MaxBackoff)
	}
	if len(status.Failures) > maxFailures {
		t.Errorf("%d agents are remembered, want %d at most", len(status.Failures), maxFailures)
	}
	for _, f := range status.Failures {
		if d := f.Until.Sub(status.Task.UpdateTime.Time); d > MaxBackoff {
			t.Errorf("agent %s is left out for %s, want %s at most", f.AgentID, d, MaxBackoff)
		}
	}
}

func TestOldFailuresAreDropped(t *testing.T) {
	_, status := failOn("a")
	status.Task = &v1alpha1.MesosTask{AgentID: "b", State: string(scheduler.TaskFailed), UpdateTime: &metav1.Time{Time: noon.Add(time.Hour)}}
	got := Decide(status).Failures
	if len(got) != 1 || got[0].AgentID != "b" {
		t.Errorf("remembered are %v, want b alone", got)
	}
}
