package mesosframework

import (
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/mesos/scheduler"
	"github.com/k8sm/k8sm/mesos/session"
)

func TestConditionsOfEveryReason(t *testing.T) {
	for _, reason := range scheduler.StateReasons() {
		state := session.State{Reason: reason, Message: "What happened."}
		subscribed, ready := subscribedCondition(state, " What to do."), readyCondition(state, " What to do.")
		if ready.Status != metav1.ConditionFalse {
			t.Errorf("%s: Ready is %s without a subscription", reason, ready.Status)
		}
		if subscribed.Status == metav1.ConditionTrue || (subscribed.Status == metav1.ConditionUnknown) != (reason == scheduler.Connecting) {
			t.Errorf("%s: Subscribed is %s", reason, subscribed.Status)
		}
		for _, c := range []metav1.Condition{subscribed, ready} {
			if c.Reason != conditionReasons[reason] || !strings.HasPrefix(c.Message, "What happened.") {
				t.Errorf("%s: %s has the reason %s and the message %q", reason, c.Type, c.Reason, c.Message)
			}
			if hint := strings.HasSuffix(c.Message, " What to do."); hint != (reason != scheduler.Connecting) {
				t.Errorf("%s: the message of %s is %q", reason, c.Type, c.Message)
			}
		}
	}
}

func TestRemedy(t *testing.T) {
	recreate := v1alpha1.MesosFrameworkSpec{OnFrameworkRemoved: v1alpha1.FrameworkRemovedRecreate}
	named := recreate
	named.FrameworkID = "f-1"
	tests := map[string]struct {
		reason    scheduler.StateReason
		spec      v1alpha1.MesosFrameworkSpec
		failovers int
		want      string // part of the remedy, "" for none
	}{
		"a removal with onFrameworkRemoved Hold":    {reason: scheduler.FrameworkRemoved, want: "set spec.onFrameworkRemoved to Recreate"},
		"a removal of the ID that the spec names":   {reason: scheduler.FrameworkRemoved, spec: named, want: "remove it from the spec"},
		"a failover that is reclaimed":              {reason: scheduler.FailedOver, failovers: 3, want: "It is taken back after a delay."},
		"a failover that is not reclaimed any more": {reason: scheduler.FailedOver, failovers: 4, want: "then restart the operator"},
		"a refused subscription":                    {reason: scheduler.Refused, want: "and every 5m0s"},
		"a session that is connecting":              {reason: scheduler.Connecting},
		"a master that is unreachable":              {reason: scheduler.MasterUnreachable},
	}
	for name, test := range tests {
		got := remedy(session.State{Reason: test.reason}, test.spec, test.failovers)
		if !strings.Contains(got, test.want) || (got == "") != (test.want == "") || got != "" && !strings.HasPrefix(got, " ") {
			t.Errorf("%s: got %q, want %q", name, got, test.want)
		}
	}
}

func TestFailureConditions(t *testing.T) {
	failed := &terminalError{v1alpha1.ReasonSecretNotFound, "There is no secret."}
	for name, test := range map[string]struct {
		running bool
		want    map[string]string // messages by condition
	}{
		"without a session both are False": {want: map[string]string{
			v1alpha1.ConditionReady: "There is no secret.", v1alpha1.ConditionSubscribed: "There is no secret.",
		}},
		"a running session keeps Subscribed": {running: true, want: map[string]string{
			v1alpha1.ConditionReady: "There is no secret. The running session continues with its previous configuration.",
		}},
	} {
		got := failureConditions(failed, test.running)
		if len(got) != len(test.want) {
			t.Errorf("%s: %d conditions, want %d", name, len(got), len(test.want))
		}
		for _, c := range got {
			if c.Status != metav1.ConditionFalse || c.Reason != v1alpha1.ReasonSecretNotFound || c.Message != test.want[c.Type] {
				t.Errorf("%s: %s is %s %s: %s", name, c.Type, c.Status, c.Reason, c.Message)
			}
		}
	}
}
