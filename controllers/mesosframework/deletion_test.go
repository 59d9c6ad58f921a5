package mesosframework

import (
	"context"
	"errors"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/mesos/scheduler"
	"github.com/k8sm/k8sm/mesos/session"
)

func deleted(f *v1alpha1.MesosFramework) {
	f.Finalizers = []string{v1alpha1.FinalizerTeardown}
	f.DeletionTimestamp = &metav1.Time{Time: noon}
}

func (s *fixture) isGone(name string) bool {
	s.t.Helper()
	err := s.client.Get(context.Background(), client.ObjectKey{Name: name}, &v1alpha1.MesosFramework{})
	if client.IgnoreNotFound(err) != nil {
		s.t.Fatal(err)
	}
	return apierrors.IsNotFound(err)
}

func TestDeletionWaitsForPoolsAndNodes(t *testing.T) {
	pool := &v1alpha1.MesosNodePool{ObjectMeta: metav1.ObjectMeta{Name: "general"}}
	pool.Spec.FrameworkRef.Name = "default"
	s := newFixture(t, newFramework("default", deleted), pool, newNode())
	s.reconcile("default")
	_, reason, message := s.condition("default", v1alpha1.ConditionReady)
	if want := "Deletion waits for MesosNodePool general, MesosNode " + nodeName + ". Delete the pools first."; reason != v1alpha1.ReasonInUse || message != want {
		t.Errorf("got %s: %s", reason, message)
	}
	if len(s.sessions) != 1 {
		t.Error("there is no session to release the nodes")
	}
}

func TestDeletionTearsTheFrameworkDown(t *testing.T) {
	s := newFixture(t, newFramework("default", deleted, func(f *v1alpha1.MesosFramework) { f.Status.FrameworkID = "f-1" }))
	s.reconcile("default")
	_, reason, message := s.condition("default", v1alpha1.ConditionReady)
	if reason != v1alpha1.ReasonTearingDown || !strings.Contains(message, "Waiting for a master") || !strings.Contains(message, v1alpha1.AnnotationForceRelease+"=true") {
		t.Errorf("while there is no master: %s: %s", reason, message)
	}
	s.sessions[0].setState(subscribedState)
	s.sessions[0].teardownErr = errors.New("403 Forbidden")
	if again := s.reconcile("default"); again != teardownRetry {
		t.Errorf("tried again after %s", again)
	}
	if _, _, message = s.condition("default", v1alpha1.ConditionReady); !strings.Contains(message, "403 Forbidden") {
		t.Errorf("while the master refuses: %s", message)
	}
	s.sessions[0].teardownErr = nil
	s.reconcile("default")
	if !s.sessions[0].tornDown || !s.isGone("default") {
		t.Errorf("torn down: %t, gone: %t", s.sessions[0].tornDown, s.isGone("default"))
	}
	s.await("the end of the session", func() bool { s.reconcile("default"); return s.reconciler.findSession("default") == nil })
}

func TestDeletionOfAFrameworkThatNeverRegistered(t *testing.T) {
	s := newFixture(t, newFramework("default", deleted, withCredentials(v1alpha1.CredentialsBasic)))
	s.reconcile("default")
	if !s.isGone("default") || len(s.sessions) > 0 {
		t.Errorf("gone: %t, after %d sessions", s.isGone("default"), len(s.sessions))
	}
}

func TestDeletionOfAFrameworkThatMesosRemoved(t *testing.T) {
	s := newFixture(t, newFramework("default", deleted, func(f *v1alpha1.MesosFramework) { f.Status.FrameworkID = "f-1" }))
	s.reconcile("default")
	s.sessions[0].setState(session.State{Reason: scheduler.FrameworkRemoved, Final: true, FrameworkID: "f-1"})
	s.reconcile("default")
	if !s.isGone("default") {
		t.Error("it waits although no confirmation can come")
	}
}

func TestTasksOfARemovedFrameworkAreRecordedAsGoneOnceItIsDeleted(t *testing.T) {
	withTask := newNode(func(n *v1alpha1.MesosNode) {
		n.Status.Task = &v1alpha1.MesosTask{ID: taskID, AgentID: "S1", State: "TASK_RUNNING"}
	})
	registered := func(f *v1alpha1.MesosFramework) { f.Status.FrameworkID = "f-1" }
	removed := session.State{Reason: scheduler.FrameworkRemoved, Final: true, FrameworkID: "f-1"}
	for name, test := range map[string]struct {
		changes []func(*v1alpha1.MesosFramework)
		want    string
	}{
		"the tasks are kept before the deletion":            {changes: []func(*v1alpha1.MesosFramework){registered}, want: "TASK_RUNNING"},
		"the tasks are recorded as gone after the deletion": {changes: []func(*v1alpha1.MesosFramework){registered, deleted}, want: "TASK_GONE"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newFixture(t, newFramework("default", test.changes...), withTask.DeepCopy())
			s.reconcile("default")
			s.sessions[0].setState(removed)
			s.reconcile("default")
			if got := s.node().Status.Task.State; got != test.want {
				t.Errorf("the task is %s, want %s", got, test.want)
			}
		})
	}
}

func TestDeletionByForce(t *testing.T) {
	s := newFixture(t, newNode(), newFramework("default", deleted, func(f *v1alpha1.MesosFramework) {
		f.Status.FrameworkID = "f-1"
		f.Annotations = map[string]string{v1alpha1.AnnotationForceRelease: "true"}
	}))
	s.reconcile("default")
	if !s.isGone("default") {
		t.Error("a person's word was not taken")
	}
	if told := <-s.recorder.Events; !strings.Contains(told, v1alpha1.EventForceReleased) {
		t.Errorf("the event is %q", told)
	}
}

func TestDeletionReportsAMissingSecret(t *testing.T) {
	s := newFixture(t, newFramework("default", deleted, withCredentials(v1alpha1.CredentialsBasic),
		func(f *v1alpha1.MesosFramework) { f.Status.FrameworkID = "f-1" }))
	s.reconcile("default")
	_, reason, message := s.condition("default", v1alpha1.ConditionReady)
	if reason != v1alpha1.ReasonTearingDown || !strings.Contains(message, `the secret "login"`) {
		t.Errorf("got %s: %s", reason, message)
	}
}

func TestATeardownIsRememberedWhenTheFinalizerTakesASecondTry(t *testing.T) {
	login := secret("login", map[string]string{"principal": "k8sm", "secret": "s3cret"})
	s := newFixture(t, login, newFramework("default", deleted, withCredentials(v1alpha1.CredentialsBasic),
		func(f *v1alpha1.MesosFramework) { f.Status.FrameworkID = "f-1" }))
	s.reconcile("default")
	if err := s.client.Delete(context.Background(), login); err != nil {
		t.Fatal(err)
	}
	s.sessions[0].setState(session.State{Final: true, Reason: scheduler.FrameworkRemoved, FrameworkID: "f-1"})
	s.await("the end of the session", s.reconciler.findSession("default").Ended)
	s.crash = &crash{n: 1}
	_, err := s.reconciler.Reconcile(context.Background(), reconcile.Request{NamespacedName: client.ObjectKey{Name: "default"}})
	if err == nil || s.isGone("default") {
		t.Fatalf("error %v, gone: %t", err, s.isGone("default"))
	}
	s.crash = nil
	s.await("the framework's end", func() bool { s.reconcile("default"); return s.isGone("default") })
}

func TestAFrameworkThatIsGoneHasNoSession(t *testing.T) {
	s := newFixture(t, newFramework("default"))
	s.reconcile("default")
	f := s.framework("default")
	f.Finalizers = nil
	if err := s.client.Update(context.Background(), f); err != nil {
		t.Fatal(err)
	}
	if err := s.client.Delete(context.Background(), f); err != nil {
		t.Fatal(err)
	}
	s.await("the end of the session", func() bool { s.reconcile("default"); return s.reconciler.findSession("default") == nil })
}

func TestDeletionListsAFewBlockingObjects(t *testing.T) {
	tests := map[string]struct {
		pools []string
		want  string
	}{
		"two":   {[]string{"a", "b"}, "Deletion waits for MesosNodePool a, MesosNodePool b. Delete the pools first."},
		"seven": {[]string{"a", "b", "c", "d", "e", "f", "g"}, "Deletion waits for MesosNodePool a, MesosNodePool b, MesosNodePool c, MesosNodePool d, MesosNodePool e and 2 more. Delete the pools first."},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			objects := []client.Object{newFramework("default", deleted)}
			for _, name := range test.pools {
				pool := &v1alpha1.MesosNodePool{ObjectMeta: metav1.ObjectMeta{Name: name}}
				pool.Spec.FrameworkRef.Name = "default"
				objects = append(objects, pool)
			}
			s := newFixture(t, objects...)
			s.reconcile("default")
			if _, _, message := s.condition("default", v1alpha1.ConditionReady); message != test.want {
				t.Errorf("got %q", message)
			}
		})
	}
}
