package mesosnode

import (
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/mesos/placement"
	"github.com/k8sm/k8sm/mesos/scheduler"
)

func clientKey(namespace, name string) client.ObjectKey {
	return client.ObjectKey{Namespace: namespace, Name: name}
}

func TestTaskIDsLeadBackToTheirNode(t *testing.T) {
	for _, name := range []string{"a", "general-x7k2p", "with.dots.1"} {
		node := &v1alpha1.MesosNode{ObjectMeta: metav1.ObjectMeta{Name: name, UID: nodeUID}}
		id := TaskID(node, 12)
		if got, ok := NameOf(id); !ok || got != name {
			t.Errorf("NameOf(%q) = %q, %t, want %q", id, got, ok, name)
		}
		if got := attemptOf(node, ProviderID("S1", id)); got != 12 {
			t.Errorf("attempt of %q is %d, want 12", id, got)
		}
	}
}

func TestOtherTaskIDsLeadNowhere(t *testing.T) {
	for _, id := range []string{"", "spark", "a.b", "a.b.c", "a.b.0", "a..1", ".b.1", "a.0123456789.1", "a.b.-1", "a.b.99999999999"} {
		if name, ok := NameOf(id); ok {
			t.Errorf("NameOf(%q) = %q, want none", id, name)
		}
	}
}

func TestDemandOfANode(t *testing.T) {
	disk := resource.MustParse("10G")
	node := newNode()
	node.Status.Attempt = 3
	node.Spec.Template.Spec.Resources = v1alpha1.NodeResources{
		CPU: resource.MustParse("1500m"), Memory: resource.MustParse("4G"), EphemeralStorage: &disk,
	}
	node.Spec.Placement = v1alpha1.Placement{Role: "other", MaxNodesPerAgent: 2, Constraints: []v1alpha1.AgentConstraint{
		{Attribute: "rack", Operator: v1alpha1.ConstraintIn, Values: []string{"r1", "r2"}},
	}}
	node.Status.Failures = []v1alpha1.AgentFailure{
		{AgentID: "S1", Until: metav1.NewTime(noon.Add(time.Second))},
		{AgentID: "S2", Until: metav1.NewTime(noon)},
	}
	want := placement.Demand{
		ID: "general-x7k2p.0f1e2d3c.3", Group: "general", Role: "other", MaxPerAgent: 2,
		Resources:   placement.Resources{CPUs: 1.5, MemMiB: 3815, DiskMiB: 9537, Ports: 2}, // 4e9 and 10e9 bytes, rounded up
		Constraints: []placement.Constraint{{Attribute: "rack", Operator: placement.In, Values: []string{"r1", "r2"}}},
		Avoid:       []string{"S1"},
	}
	if diff := cmp.Diff(want, Demand(node, []string{"k8sm"}, noon)); diff != "" {
		t.Errorf("demand (-want +got):\n%s", diff)
	}
}

// failing fails on the agents, one after the other, and returns the waits before each
// next attempt, and the failures at the end.
func failing(agents ...string) (waits []time.Duration, status v1alpha1.MesosNodeStatus) {
	now := noon
	for _, agent := range agents {
		status.Task = &v1alpha1.MesosTask{AgentID: agent, State: string(scheduler.TaskFailed), UpdateTime: &metav1.Time{Time: now}}
		plan := planRetry(status)
		waits = append(waits, plan.At.Sub(now))
		status.Failures, now = plan.Failures, plan.At
	}
	return waits, status
}

func TestBackoffGrowsWithEachFailure(t *testing.T) {
	waits, status := failing("a", "b", "c", "d", "a", "a")
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

func TestLastFailureIsTheOneToldOf(t *testing.T) {
	_, status := failing("a", "a", "a", "b")
	if got := lastFailure(status.Failures); !strings.Contains(got, "agent b ended") {
		t.Errorf("told of: %q", got)
	}
	long := &v1alpha1.MesosTask{AgentID: "a", State: string(scheduler.TaskFailed), Message: strings.Repeat("ä", maxSaid)}
	if got := lastFailure(blame(nil, long, noon)); len(got) > maxSaid || !utf8.ValidString(got) {
		t.Errorf("%d bytes, valid: %t", len(got), utf8.ValidString(got))
	}
	if got := lastFailure(nil); got != "" {
		t.Errorf("without failures: %q", got)
	}
}

func TestBackoffIsBounded(t *testing.T) {
	var agents []string
	for i := range 100 {
		agents = append(agents, fmt.Sprintf("a%d", i%40))
	}
	waits, status := failing(agents...)
	if longest := waits[len(waits)-1]; longest > maxBackoff {
		t.Errorf("waits %s, want %s at most", longest, maxBackoff)
	}
	if len(status.Failures) > maxFailures {
		t.Errorf("%d agents are remembered, want %d at most", len(status.Failures), maxFailures)
	}
	for _, f := range status.Failures {
		if d := f.Until.Sub(status.Task.UpdateTime.Time); d > maxBackoff {
			t.Errorf("agent %s is left out for %s, want %s at most", f.AgentID, d, maxBackoff)
		}
	}
}

func TestOldFailuresAreForgiven(t *testing.T) {
	_, status := failing("a")
	status.Task = &v1alpha1.MesosTask{AgentID: "b", State: string(scheduler.TaskFailed), UpdateTime: &metav1.Time{Time: noon.Add(time.Hour)}}
	got := planRetry(status).Failures
	if len(got) != 1 || got[0].AgentID != "b" {
		t.Errorf("remembered are %v, want b alone", got)
	}
}

func TestWhatTheExecutorSaysIsShown(t *testing.T) {
	tests := map[string]struct{ state, message, want string }{
		"well":             {string(scheduler.TaskRunning), "", "The node runs on agent host-1."},
		"ailing":           {string(scheduler.TaskRunning), "kubelet ended (exit status 2)", "The node runs on agent host-1. kubelet ended (exit status 2)."},
		"on its way there": {string(scheduler.TaskStarting), "fetching artifact kubelet", "The executor on agent host-1 brings up the kubelet. fetching artifact kubelet."},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			_, _, got := describe(&v1alpha1.MesosTask{AgentHostname: "host-1", State: tc.state, Message: tc.message})
			if got != tc.want {
				t.Errorf("message is %q, want %q", got, tc.want)
			}
		})
	}
}
