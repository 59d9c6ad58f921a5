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
		subscribed, ready := subscribedCondition(state, "What to do."), readyCondition(state, "What to do.")
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
		if !strings.Contains(got, test.want) || (got == "") != (test.want == "") {
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

// A real master writes no full stop.
func TestMessagesOfMastersAreJoinedToTheRemedy(t *testing.T) {
	state := session.State{Reason: scheduler.FrameworkRemoved, Message: "Framework has been removed", Final: true}
	hint := remedy(state, v1alpha1.MesosFrameworkSpec{}, 0)
	for _, c := range []metav1.Condition{subscribedCondition(state, hint), readyCondition(state, hint)} {
		if !strings.HasPrefix(c.Message, "Framework has been removed. Mesos has killed its nodes") {
			t.Errorf("the message of %s is %q", c.Type, c.Message)
		}
	}
}

func TestMessagesOfMastersAreBounded(t *testing.T) {
	c := subscribedCondition(session.State{Reason: scheduler.Refused, Message: strings.Repeat("ä", 1<<20)}, "What to do.")
	if len(c.Message) > 5000 || !strings.HasSuffix(c.Message, "… What to do.") {
		t.Errorf("the message has %d bytes and ends in %q", len(c.Message), c.Message[len(c.Message)-20:])
	}
}

func TestPlainTextCredentialsAreReported(t *testing.T) {
	login, tls := &v1alpha1.Credentials{}, &v1alpha1.MasterTLS{}
	for name, test := range map[string]struct {
		spec v1alpha1.MesosFrameworkSpec
		want string // status, reason and part of the message; "" for no condition
	}{
		"no credentials":                                 {v1alpha1.MesosFrameworkSpec{Masters: []string{"m:5050"}}, ""},
		"over TLS":                                       {v1alpha1.MesosFrameworkSpec{Masters: []string{"https://m:5050"}, Credentials: login}, "True CredentialsProtected"},
		"ZooKeeper and TLS":                              {v1alpha1.MesosFrameworkSpec{Masters: []string{"zk://z:2181/mesos"}, Credentials: login, TLS: tls}, "True CredentialsProtected"},
		"in plain text, of an older object":              {v1alpha1.MesosFrameworkSpec{Masters: []string{"https://m1:5050", "m2:5050"}, Credentials: login}, "False PlainTextCredentials m2:5050 this one is older"},
		"in plain text, as permitted":                    {v1alpha1.MesosFrameworkSpec{Masters: []string{"http://m2:5050"}, Credentials: login, Insecure: true}, "False PlainTextCredentials http://m2:5050"},
		"a password for ZooKeeper":                       {v1alpha1.MesosFrameworkSpec{Masters: []string{"zk://me:p@ss@z:2181/mesos"}}, "False PasswordInAddress spec.zookeeperCredentials this one goes on"},
		"a password for ZooKeeper, and a secret with it": {v1alpha1.MesosFrameworkSpec{Masters: []string{"zk://me:p@ss@z:2181/mesos"}, ZooKeeperCredentials: &v1alpha1.ZooKeeperCredentials{}}, "False PasswordInAddress"},
		"ZooKeeper without a password":                   {v1alpha1.MesosFrameworkSpec{Masters: []string{"zk://z:2181/me@sos"}, ZooKeeperCredentials: &v1alpha1.ZooKeeperCredentials{}}, ""},
		"an address that cannot be read":                 {v1alpha1.MesosFrameworkSpec{Masters: []string{"zk://me:p@ss@/mesos"}, Credentials: login}, "False PlainTextCredentials cannot be read"},
		"in plain text, and a password for ZooKeeper":    {v1alpha1.MesosFrameworkSpec{Masters: []string{"zk://me:p@ss@z:2181/mesos"}, Credentials: login}, "False PlainTextCredentials spec.zookeeperCredentials this one is older"},
		"ZooKeeper without TLS":                          {v1alpha1.MesosFrameworkSpec{Masters: []string{"zk://me:p@ss@z:2181/mesos"}, Credentials: login}, "False PlainTextCredentials zk://z:2181/mesos"},
	} {
		t.Run(name, func(t *testing.T) {
			c := protectedCondition(test.spec)
			if c == nil {
				if test.want != "" {
					t.Fatalf("no condition, want %q", test.want)
				}
				return
			}
			text := string(c.Status) + " " + c.Reason + " " + c.Message
			words := strings.SplitN(test.want, " ", 4)
			for _, want := range words {
				if want == "" || !strings.Contains(text, want) {
					t.Errorf("got %q, want %q in it", text, want)
				}
			}
			if strings.Contains(c.Message, "p@ss") || test.spec.Insecure && strings.Contains(c.Message, "is older") {
				t.Errorf("got %q", c.Message)
			}
		})
	}
}
