package mesosframework

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/mesos/scheduler"
)

func agentFailure(n int, until time.Duration) scheduler.AgentFailure {
	return scheduler.AgentFailure{
		AgentID: fmt.Sprintf("S%02d", n), Hostname: fmt.Sprintf("host-%d", n), Groups: []string{"general"}, Count: 2, Until: noon.Add(until),
		Reason: "REASON_CONTAINER_LAUNCH_FAILED", Message: "no hugetlb",
	}
}

func TestAgentsThatAreLeftAloneAreReported(t *testing.T) {
	away, alone := agentFailure(2, time.Minute), agentFailure(3, time.Minute)
	away.WentAway, alone.OnlyGroup = true, "broken"
	var many []scheduler.AgentFailure
	for n := range 7 {
		many = append(many, agentFailure(n, time.Minute))
	}
	for name, tc := range map[string]struct {
		failures []scheduler.AgentFailure
		want     string
	}{
		"none":                       {nil, "True AgentsUsable No agent is left alone because of failures."},
		"one that may be used again": {[]scheduler.AgentFailure{agentFailure(1, -time.Minute)}, "True AgentsUsable No agent"},
		"one": {[]scheduler.AgentFailure{agentFailure(1, time.Minute)}, "False AgentsBackingOff 1 agent is left alone after failures of nodes: " +
			"host-1 until 12:01:00 UTC by all pools (after 2 failures in a row, the last: REASON_CONTAINER_LAUNCH_FAILED: no hugetlb)."},
		"one that went away": {[]scheduler.AgentFailure{away}, "False AgentsBackingOff 1 agent is left alone after failures of nodes: " +
			"host-2 until 12:01:00 UTC by all pools (after 2 failures in a row, the last: the agent went away, REASON_"},
		"one that a pool alone leaves": {[]scheduler.AgentFailure{alone}, "False AgentsBackingOff 1 agent is left alone after failures of nodes: " +
			"host-3 until 12:01:00 UTC by pool broken alone, which fails on other agents too (after"},
		"many": {many, "False AgentsBackingOff 7 agents are left alone after failures of nodes: host-0 until"},
	} {
		t.Run(name, func(t *testing.T) {
			c := agentsUsableCondition(tc.failures, noon)
			if got := string(c.Status) + " " + c.Reason + " " + c.Message; !strings.HasPrefix(got, tc.want) {
				t.Errorf("got  %s\nwant %s", got, tc.want)
			}
		})
	}
	if c := agentsUsableCondition(many, noon); !strings.HasSuffix(c.Message, "; 2 more, see status.agentFailures.") {
		t.Errorf("the message ends: %s", c.Message)
	}
}

func TestAgentFailuresAreStoredAndReportedOnce(t *testing.T) {
	s := newFixture(t, newFramework("default"))
	s.reconcile("default")
	s.sessions[0].failures = []scheduler.AgentFailure{agentFailure(1, time.Minute+300*time.Millisecond)}
	s.sessions[0].setState(subscribedState)
	s.reconcile("default")
	if status, reason, _ := s.condition("default", v1alpha1.ConditionAgentsUsable); status != metav1.ConditionFalse || reason != v1alpha1.ReasonAgentsBackingOff {
		t.Errorf("AgentsUsable is %s, %s", status, reason)
	}
	if got := s.framework("default").Status.AgentFailures; len(got) != 1 || got[0].AgentID != "S01" || got[0].Count != 2 || !got[0].Until.Time.Equal(noon.Add(time.Minute)) {
		t.Errorf("stored are %v", got)
	}
	writes := s.writes
	s.reconcile("default")
	if s.writes != writes {
		t.Error("the status was written again though nothing had changed")
	}
	var warnings []string
	for len(s.recorder.Events) > 0 {
		if e := <-s.recorder.Events; strings.Contains(e, v1alpha1.EventAgentBackingOff) {
			warnings = append(warnings, e)
		}
	}
	want := []string{"Warning AgentBackingOff Agent host-1 is left alone until 12:01:00 UTC, after 2 failures in a row, the last: REASON_CONTAINER_LAUNCH_FAILED: no hugetlb."}
	if diff := cmp.Diff(want, warnings); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	s.now = noon.Add(time.Hour)
	s.sessions[0].failures = nil
	s.reconcile("default")
	if status, _, _ := s.condition("default", v1alpha1.ConditionAgentsUsable); status != metav1.ConditionTrue || len(s.framework("default").Status.AgentFailures) != 0 {
		t.Errorf("AgentsUsable is %s, stored are %v", status, s.framework("default").Status.AgentFailures)
	}
}

func TestAgentFailuresSurviveARestartOfTheOperator(t *testing.T) {
	failures := []scheduler.AgentFailure{agentFailure(1, time.Minute), agentFailure(2, time.Hour)}
	failures[1].WentAway = true
	s := newFixture(t, newFramework("default", func(f *v1alpha1.MesosFramework) { f.Status.AgentFailures = storedFailures(failures) }))
	s.reconcile("default")
	if diff := cmp.Diff(failures, s.sessions[0].config.AgentFailures); diff != "" {
		t.Errorf("the session begins with (-want +got):\n%s", diff)
	}
}

func TestTheFailuresThatCountLongestAreStored(t *testing.T) {
	var failures []scheduler.AgentFailure
	for n := range 80 {
		failures = append(failures, agentFailure(n, time.Duration(n)*time.Minute))
	}
	got := storedFailures(failures)
	if len(got) != maxStoredFailures || got[0].AgentID != "S16" || got[maxStoredFailures-1].AgentID != "S79" {
		t.Errorf("%d are stored, from %s to %s", len(got), got[0].AgentID, got[len(got)-1].AgentID)
	}
}

func TestAgentFailuresAreForgottenWhenAPersonAsksForIt(t *testing.T) {
	s := newFixture(t, newFramework("default"))
	s.reconcile("default")
	s.sessions[0].failures = []scheduler.AgentFailure{agentFailure(1, time.Minute), agentFailure(2, -time.Minute)}
	s.sessions[0].setState(subscribedState)
	s.reconcile("default")
	if got := gaugeOf(t); got != 1 {
		t.Errorf("%v agents are counted, want the one that is left alone", got)
	}
	s.edit(func(f *v1alpha1.MesosFramework) {
		metav1.SetMetaDataAnnotation(&f.ObjectMeta, v1alpha1.AnnotationForgetAgentFailures, "true")
		metav1.SetMetaDataAnnotation(&f.ObjectMeta, "mine", "a")
	})
	s.reconcile("default")
	f := s.framework("default")
	if _, left := f.Annotations[v1alpha1.AnnotationForgetAgentFailures]; left || f.Annotations["mine"] != "a" || len(f.Status.AgentFailures) != 0 {
		t.Errorf("annotations %v and failures %v are left", f.Annotations, f.Status.AgentFailures)
	}
	if status, reason, message := s.condition("default", v1alpha1.ConditionAgentsUsable); status != metav1.ConditionTrue {
		t.Errorf("the condition is %s %s: %s", status, reason, message)
	}
	s.reconcile("default")
	if s.sessions[0].forgotten != 1 || gaugeOf(t) != 0 {
		t.Errorf("failures were forgotten %d times", s.sessions[0].forgotten)
	}
}

// gaugeOf returns the number of agents that the framework "default" leaves alone.
func gaugeOf(t *testing.T) float64 {
	t.Helper()
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(agentsBackingOff)
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		for _, m := range family.Metric {
			if m.Label[0].GetValue() == "default" {
				return m.GetGauge().GetValue()
			}
		}
	}
	t.Fatal("the framework has no gauge")
	return 0
}
