package mesosframework

import (
	"context"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/mesos/session"
)

const labelCommand = `run "kubectl --namespace=k8sm-system label secret login k8sm.io/framework-secret=true"`

// setLabel writes the label of the secret; "" removes it.
func (s *fixture) setLabel(name, label string) {
	s.t.Helper()
	changed := secret(name, nil)
	if err := s.client.Get(context.Background(), client.ObjectKeyFromObject(changed), changed); err != nil {
		s.t.Fatal(err)
	}
	changed.Labels = nil
	if label != "" {
		changed.Labels = map[string]string{v1alpha1.LabelFrameworkSecret: label}
	}
	if err := s.client.Update(context.Background(), changed); err != nil {
		s.t.Fatal(err)
	}
}

// unlabelled returns a secret with a token for each of the names, without the label.
func unlabelled(names ...string) (objects []client.Object) {
	for _, name := range names {
		object := secret(name, map[string]string{"token": name})
		object.Labels = nil
		objects = append(objects, object)
	}
	return objects
}

// expectSecrets checks the condition SecretsLabelled, and the secrets that are exempt.
func (s *fixture) expectSecrets(status metav1.ConditionStatus, says string, exempt ...string) {
	s.t.Helper()
	got, reason, message := s.condition("default", v1alpha1.ConditionSecretsLabelled)
	want := v1alpha1.ReasonSecretNotLabelled
	if status == metav1.ConditionTrue {
		want = v1alpha1.ReasonSecretsLabelled
	}
	if got != status || reason != want || !strings.Contains(message, says) {
		s.t.Errorf("SecretsLabelled is %s %s: %s", got, reason, message)
	}
	if diff := cmp.Diff(exempt, s.framework("default").Status.UnlabelledSecrets); diff != "" {
		s.t.Errorf("exempt secrets (-want +got):\n%s", diff)
	}
}

func TestANewFrameworkUsesNoSecretWithoutTheLabel(t *testing.T) {
	for name, test := range map[string]struct {
		label  string
		change func(*v1alpha1.MesosFramework)
	}{
		"no label":                               {"", func(*v1alpha1.MesosFramework) {}},
		"another value":                          {"false", func(*v1alpha1.MesosFramework) {}},
		"an ID in the spec":                      {"", wantedID("f-1")},
		"an ID in the spec and in an annotation": {"", func(f *v1alpha1.MesosFramework) { notedID("f-1")(f); wantedID("f-1")(f) }},
	} {
		t.Run(name, func(t *testing.T) {
			s := newFixture(t, append(unlabelled("login"), newFramework("default", withCredentials(v1alpha1.CredentialsBearer), test.change))...)
			s.setLabel("login", test.label)
			s.reconcile("default")
			if status, reason, message := s.condition("default", v1alpha1.ConditionReady); status != metav1.ConditionFalse ||
				reason != v1alpha1.ReasonSecretNotLabelled || !contains(message, "The secret login in the namespace k8sm-system lacks the label", labelCommand) {
				t.Errorf("Ready is %s %s: %s", status, reason, message)
			}
			s.expectSecrets(metav1.ConditionFalse, labelCommand)
			if len(s.sessions) > 0 {
				t.Fatal("a session was made with a secret without the label")
			}
			s.setLabel("login", "true")
			s.reconcile("default")
			s.expectSecrets(metav1.ConditionTrue, "")
			if len(s.sessions) != 1 || s.sessions[0].config.Authorization != "Bearer login" {
				t.Error("no session was made once the secret had the label")
			}
		})
	}
}

// Nobody gets a secret exempted by naming it after the framework got its ID.
func TestAFrameworkNamesNoSecretWithoutTheLabelLater(t *testing.T) {
	s := newFixture(t, append(unlabelled("login", "other"), newFramework("default"))...)
	s.reconcile("default")
	s.sessions[0].setState(subscribedState)
	if err := s.sessions[0].config.Store.StoreFrameworkID(context.Background(), "f-1"); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second time after a restart of the operator
		s.reconcile("default")
		s.edit(withCredentials(v1alpha1.CredentialsBearer))
		s.reconcile("default")
		if _, reason, _ := s.condition("default", v1alpha1.ConditionReady); reason != v1alpha1.ReasonSecretNotLabelled {
			t.Errorf("Ready has the reason %s", reason)
		}
		s.expectSecrets(metav1.ConditionFalse, labelCommand)
		for _, made := range s.sessions {
			if made.config.Authorization != "" || len(made.access) > 0 {
				t.Error("a secret without the label was used")
			}
		}
		s.startOperator()
	}
}

// A framework of an earlier release goes on with the secrets that it named then.
func TestARegisteredFrameworkGoesOnWithoutTheLabel(t *testing.T) {
	s := newFixture(t, append(unlabelled("login", "other"), newFramework("default", withCredentials(v1alpha1.CredentialsBearer), storedID("f-1")))...)
	for range 2 { // the second time after a restart of the operator
		s.reconcile("default")
		s.reconcile("default")
		s.expectSecrets(metav1.ConditionFalse, "This framework is older than that rule, and goes on.", "login")
		if made := s.sessions[len(s.sessions)-1]; made.config.Authorization != "Bearer login" {
			t.Fatalf("the session has the authorization %q", made.config.Authorization)
		}
		s.startOperator()
	}
	s.reconcile("default")
	running := s.sessions[len(s.sessions)-1]
	running.setState(subscribedState)

	s.edit(func(f *v1alpha1.MesosFramework) { f.Spec.Credentials.SecretRef.Name = "other" })
	s.reconcile("default")
	if status, reason, message := s.condition("default", v1alpha1.ConditionReady); status != metav1.ConditionFalse ||
		reason != v1alpha1.ReasonSecretNotLabelled || !contains(message, "The secret other", "The running session continues with its previous configuration.") {
		t.Errorf("with another secret Ready is %s %s: %s", status, reason, message)
	}
	s.setLabel("other", "true")
	s.reconcile("default")
	s.expectSecrets(metav1.ConditionTrue, "")
	if diff := cmp.Diff([]session.Credentials{{Authorization: "Bearer other"}}, running.access); diff != "" {
		t.Errorf("access that the session went over to (-want +got):\n%s", diff)
	}
}

func TestASecretIsExemptUntilItHasTheLabel(t *testing.T) {
	login := unlabelled("login")[0]
	s := newFixture(t, login, newFramework("default", withCredentials(v1alpha1.CredentialsBearer), storedID("f-1")))
	s.reconcile("default")
	s.sessions[0].setState(subscribedState)
	if err := s.client.Delete(context.Background(), login); err != nil {
		t.Fatal(err)
	}
	s.reconcile("default")
	if err := s.client.Create(context.Background(), unlabelled("login")[0]); err != nil {
		t.Fatal(err)
	}
	s.reconcile("default")
	s.expectSecrets(metav1.ConditionFalse, "goes on", "login") // it was only made anew
	s.setLabel("login", "true")
	s.reconcile("default")
	s.expectSecrets(metav1.ConditionTrue, "")
	s.setLabel("login", "")
	s.reconcile("default")
	s.expectSecrets(metav1.ConditionFalse, labelCommand)
	if _, reason, message := s.condition("default", v1alpha1.ConditionReady); reason != v1alpha1.ReasonSecretNotLabelled || !contains(message, "The running session continues") {
		t.Errorf("Ready has the reason %s: %s", reason, message)
	}
}

// The decision is stored before there can be an ID, so that a crash cannot make a framework look
// like one of an earlier release.
func TestTheDecisionOnSecretsIsStoredBeforeTheSession(t *testing.T) {
	for _, c := range allCrashes(4) {
		s := newFixture(t, newFramework("default"))
		s.crash = &c
		_, _ = s.reconciler.Reconcile(context.Background(), reconcile.Request{NamespacedName: client.ObjectKey{Name: "default"}}) // its error is that of the crash
		decided := meta.FindStatusCondition(s.framework("default").Status.Conditions, v1alpha1.ConditionSecretsLabelled) != nil
		if len(s.sessions) > 0 && !decided {
			t.Errorf("%s: a session was made before the decision was stored", c)
		}
	}
}

func TestALostStatusStopsNoRunningFramework(t *testing.T) {
	s := newFixture(t, append(unlabelled("login"), newFramework("default", withCredentials(v1alpha1.CredentialsBearer), storedID("f-1")))...)
	s.reconcile("default")
	s.sessions[0].setState(subscribedState)
	lost := s.framework("default")
	lost.Status = v1alpha1.MesosFrameworkStatus{}
	if err := s.client.Status().Update(context.Background(), lost); err != nil {
		t.Fatal(err)
	}
	s.reconcile("default")
	s.expectSecrets(metav1.ConditionFalse, "goes on", "login")
}

func TestTheCommandLabelsAllSecrets(t *testing.T) {
	c := secretsLabelledCondition([]string{"ca", "login"}, []string{"login"}, "k8sm-system")
	if !contains(c.Message, "The secrets ca, login in the namespace k8sm-system lack the label", "label secret ca login k8sm.io/framework-secret=true") ||
		strings.Contains(c.Message, "goes on") {
		t.Errorf("the message is: %s", c.Message)
	}
}
