package mesosframework

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/mesos/scheduler"
	"github.com/k8sm/k8sm/mesos/session"
)

// edit changes the MesosFramework as a person would.
func (s *fixture) edit(change func(*v1alpha1.MesosFramework)) {
	s.t.Helper()
	f := s.framework("default")
	change(f)
	f.Generation++
	if err := s.client.Update(context.Background(), f); err != nil {
		s.t.Fatal(err)
	}
}

func TestASessionIsUpdatedOrReplaced(t *testing.T) {
	rotate := func(data map[string]string) func(*fixture) {
		return func(s *fixture) {
			if err := s.client.Update(context.Background(), secret("login", data)); err != nil {
				s.t.Fatal(err)
			}
		}
	}
	edit := func(change func(*v1alpha1.MesosFramework)) func(*fixture) { return func(s *fixture) { s.edit(change) } }
	tests := map[string]struct {
		change   func(*fixture)
		access   []session.Credentials
		updates  []scheduler.Info
		sessions int
	}{
		"a rotated token": {
			change: rotate(map[string]string{"principal": "k8sm", "token": "new"}), sessions: 1,
			access: []session.Credentials{{Authorization: "Bearer new"}},
		},
		"another principal": {
			change: rotate(map[string]string{"principal": "other", "token": "old"}), sessions: 2,
		},
		"another role": {
			change: edit(func(f *v1alpha1.MesosFramework) { f.Spec.Roles = []string{"k8sm", "more"} }), sessions: 1,
			updates: []scheduler.Info{{
				ID: "f-1", Name: "k8sm", User: "root", Principal: "k8sm", Roles: []string{"k8sm", "more"}, FailoverTimeout: 168 * time.Hour,
			}},
		},
		"another failover timeout": {
			change: edit(func(f *v1alpha1.MesosFramework) { f.Spec.FailoverTimeout.Duration = time.Hour }), sessions: 1,
			updates: []scheduler.Info{{
				ID: "f-1", Name: "k8sm", User: "root", Principal: "k8sm", Roles: []string{"k8sm"}, FailoverTimeout: time.Hour,
			}},
		},
		"another master": {
			change: edit(func(f *v1alpha1.MesosFramework) { f.Spec.Masters = []string{"new.mesos:5050"} }), sessions: 2,
		},
		"a field that sessions do not use": {
			change: edit(func(f *v1alpha1.MesosFramework) { f.Spec.OnFrameworkRemoved = v1alpha1.FrameworkRemovedRecreate }), sessions: 1,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			s := newFixture(t, newFramework("default", withCredentials(v1alpha1.CredentialsBearer), storedID("f-1")),
				secret("login", map[string]string{"principal": "k8sm", "token": "old"}))
			s.reconcile("default")
			s.sessions[0].setState(subscribedState)
			s.reconcile("default")
			test.change(s)
			s.await("the session as it should be", func() bool { s.reconcile("default"); return len(s.sessions) == test.sessions })
			s.reconcile("default")
			if len(s.sessions) != test.sessions {
				t.Errorf("%d sessions were made, want %d", len(s.sessions), test.sessions)
			}
			if diff := cmp.Diff(test.access, s.sessions[0].access); diff != "" {
				t.Errorf("access that it went over to (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(test.updates, s.sessions[0].updates); diff != "" {
				t.Errorf("updates (-want +got):\n%s", diff)
			}
		})
	}
}

func TestASecretThatDisappearsEndsNoSession(t *testing.T) {
	login := secret("login", map[string]string{"token": "t0ken"})
	s := newFixture(t, newFramework("default", withCredentials(v1alpha1.CredentialsBearer)), login)
	s.reconcile("default")
	s.sessions[0].setState(subscribedState)
	s.reconcile("default")
	if err := s.client.Delete(context.Background(), login); err != nil {
		t.Fatal(err)
	}
	s.reconcile("default")
	if status, reason, message := s.condition("default", v1alpha1.ConditionReady); status != metav1.ConditionFalse ||
		reason != v1alpha1.ReasonSecretNotFound || !contains(message, `names the secret "login"`, "The running session continues with its previous configuration.") {
		t.Errorf("Ready is %s %s: %s", status, reason, message)
	}
	if status, _, _ := s.condition("default", v1alpha1.ConditionSubscribed); status != metav1.ConditionTrue {
		t.Errorf("Subscribed is %s", status)
	}
	if running := s.reconciler.findSession("default"); running == nil || running.Ended() || len(s.sessions) != 1 {
		t.Error("the session was ended")
	}
}

func TestSpecAppliedReportsWhatTheMasterKeeps(t *testing.T) {
	s := newFixture(t, newFramework("default"))
	s.reconcile("default")
	s.sessions[0].setState(subscribedState)
	s.reconcile("default")
	if status, reason, _ := s.condition("default", v1alpha1.ConditionSpecApplied); status != metav1.ConditionTrue || reason != v1alpha1.ReasonSpecApplied {
		t.Errorf("SpecApplied is %s %s", status, reason)
	}
	kept := subscribedState
	kept.Divergence = "user root, not nobody"
	s.sessions[0].setState(kept)
	s.reconcile("default")
	if status, reason, message := s.condition("default", v1alpha1.ConditionSpecApplied); status != metav1.ConditionFalse ||
		reason != v1alpha1.ReasonKeptByMaster || !contains(message, "user root, not nobody") {
		t.Errorf("SpecApplied is %s %s: %s", status, reason, message)
	}
}

func TestSessionsCheckWhetherTheyMaySubscribe(t *testing.T) {
	s := newFixture(t, newFramework("default"))
	asked := 0
	s.reconciler.MaySubscribe = func(context.Context) error { asked++; return nil }
	s.reconcile("default")
	if err := s.sessions[0].config.MaySubscribe(context.Background()); err != nil || asked != 1 {
		t.Errorf("asked %d times, with %v", asked, err)
	}
}

func TestFrameworkIDIsReclaimedWithinBounds(t *testing.T) {
	s := newFixture(t, newFramework("default", storedID("f-1")))
	lose := func() {
		last := s.sessions[len(s.sessions)-1]
		last.setState(session.State{Reason: scheduler.FailedOver, Message: "Framework failed over.", FrameworkID: "f-1", Final: true})
	}
	s.reconcile("default")
	for i, wait := range []time.Duration{30 * time.Second, time.Minute, 2 * time.Minute} {
		lose()
		if again := s.reconcile("default"); again != wait || len(s.sessions) != i+1 {
			t.Fatalf("loss %d: looked at again after %s with %d sessions, want after %s", i+1, again, len(s.sessions), wait)
		}
		s.now = s.now.Add(wait)
		s.await("the next session", func() bool { s.reconcile("default"); return len(s.sessions) == i+2 })
	}
	lose()
	s.reconcile("default")
	s.now = s.now.Add(24 * time.Hour)
	if again := s.reconcile("default"); again != 0 || len(s.sessions) != 4 {
		t.Errorf("the fight goes on after %s, with %d sessions", again, len(s.sessions))
	}
	if _, reason, message := s.condition("default", v1alpha1.ConditionReady); reason != v1alpha1.ReasonFailedOver || !contains(message, "make sure that only one does") {
		t.Errorf("Ready is %s: %s", reason, message)
	}
}

func TestFailoverCountExpiresAfterAnHour(t *testing.T) {
	s := newFixture(t, newFramework("default", storedID("f-1")))
	s.reconcile("default")
	for i := range 5 {
		s.now = s.now.Add(2 * time.Hour)
		s.sessions[i].setState(session.State{Reason: scheduler.FailedOver, FrameworkID: "f-1", Final: true})
		s.reconcile("default")
		s.now = s.now.Add(30 * time.Second)
		s.await("the next session", func() bool { s.reconcile("default"); return len(s.sessions) == i+2 })
	}
}
