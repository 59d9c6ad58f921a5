package mesosframework

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/mesos/scheduler"
	"github.com/k8sm/k8sm/mesos/session"
)

func storedID(id string) func(*v1alpha1.MesosFramework) {
	return func(f *v1alpha1.MesosFramework) { f.Status.FrameworkID = id }
}

func notedID(id string) func(*v1alpha1.MesosFramework) {
	return func(f *v1alpha1.MesosFramework) {
		metav1.SetMetaDataAnnotation(&f.ObjectMeta, v1alpha1.AnnotationFrameworkID, id)
	}
}

func wantedID(id string) func(*v1alpha1.MesosFramework) {
	return func(f *v1alpha1.MesosFramework) { f.Spec.FrameworkID = id }
}

func withTask(state string) func(*v1alpha1.MesosNode) {
	return func(n *v1alpha1.MesosNode) {
		n.Status.Task = &v1alpha1.MesosTask{ID: taskID, AgentID: "S1", State: state}
	}
}

func contains(text string, parts ...string) bool {
	for _, part := range parts {
		if !strings.Contains(text, part) {
			return false
		}
	}
	return true
}

func TestTheFrameworkIDOfANewSession(t *testing.T) {
	type changes = []func(*v1alpha1.MesosFramework)
	running, ended := newNode(withTask("TASK_RUNNING")), newNode(withTask("TASK_FAILED"))
	tests := map[string]struct {
		framework changes
		node      *v1alpha1.MesosNode
		id        string
		reason    string // why none begins
		says      []string
	}{
		"a new framework has no ID":                                                    {},
		"the stored ID is used":                                                        {framework: changes{storedID("f-1"), notedID("f-1")}, node: running, id: "f-1"},
		"an ID in the status alone is used":                                            {framework: changes{storedID("f-1")}, id: "f-1"},
		"the ID in the spec is used":                                                   {framework: changes{wantedID("f-1")}, id: "f-1"},
		"the ID in the spec is used for running tasks of unknown ID":                   {framework: changes{wantedID("f-1")}, node: running, id: "f-1"},
		"the ID in the spec is used when it is stored already":                         {framework: changes{wantedID("f-1"), storedID("f-1"), notedID("f-1")}, node: running, id: "f-1"},
		"the ID in the spec is used when the annotation agrees and the status differs": {framework: changes{wantedID("f-1"), storedID("f-9"), notedID("f-1")}, node: running, id: "f-1"},
		"the ID in the spec replaces another when no task may run":                     {framework: changes{wantedID("f-2"), storedID("f-1"), notedID("f-1")}, node: ended, id: "f-2"},
		"a new framework has no ID when all tasks have ended":                          {node: ended},
		"no session starts when the status was lost": {
			framework: changes{notedID("f-1")}, reason: v1alpha1.ReasonFrameworkIDLost, says: []string{"says f-1", "Set spec.frameworkID to f-1"},
		},
		"no session starts when status and annotation were lost and tasks may run": {
			node: running, reason: v1alpha1.ReasonFrameworkIDLost, says: []string{"1 of its MesosNodes have tasks that may run", "Set spec.frameworkID"},
		},
		"no session starts when the ID was lost and an intent may have been launched": {
			node: newNode(withTask("")), reason: v1alpha1.ReasonFrameworkIDLost,
		},
		"no session starts when tasks run under another ID than that in the spec": {
			framework: changes{wantedID("f-2"), storedID("f-1"), notedID("f-1")}, node: running,
			reason: v1alpha1.ReasonFrameworkIDConflict, says: []string{"spec.frameworkID is f-2", "belong to framework f-1"},
		},
		"no session starts when tasks run under another ID that only the annotation has": {
			framework: changes{wantedID("f-2"), notedID("f-1")}, node: running, reason: v1alpha1.ReasonFrameworkIDConflict,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			objects := []client.Object{newFramework("default", test.framework...)}
			if test.node != nil {
				objects = append(objects, test.node.DeepCopy())
			}
			s := newFixture(t, objects...)
			s.reconcile("default")
			if test.reason != "" {
				status, reason, message := s.condition("default", v1alpha1.ConditionReady)
				if status != metav1.ConditionFalse || reason != test.reason || !contains(message, test.says...) || len(s.sessions) > 0 {
					t.Errorf("Ready is %s %s: %s, with %d sessions", status, reason, message, len(s.sessions))
				}
				return
			}
			if len(s.sessions) != 1 || s.sessions[0].config.Framework.ID != test.id {
				t.Fatalf("%d sessions, want one under %q", len(s.sessions), test.id)
			}
			if f := s.framework("default"); f.Status.FrameworkID != test.id || f.Annotations[v1alpha1.AnnotationFrameworkID] != test.id {
				t.Errorf("before it subscribes, status has %q and the annotation %q", f.Status.FrameworkID, f.Annotations[v1alpha1.AnnotationFrameworkID])
			}
		})
	}
}

func TestARunningSessionRestoresALostFrameworkID(t *testing.T) {
	s := newFixture(t, newFramework("default", storedID("f-1")), newNode(withTask("TASK_RUNNING")))
	s.reconcile("default")
	s.sessions[0].setState(subscribedState)
	s.reconcile("default")
	lost := s.framework("default")
	lost.Status, lost.Annotations = v1alpha1.MesosFrameworkStatus{}, nil
	if err := s.client.Status().Update(context.Background(), lost); err != nil {
		t.Fatal(err)
	}
	s.edit(func(f *v1alpha1.MesosFramework) { f.Annotations = nil })
	s.reconcile("default")
	if f := s.framework("default"); f.Status.FrameworkID != "f-1" || f.Annotations[v1alpha1.AnnotationFrameworkID] != "f-1" {
		t.Errorf("status has %q, the annotation %q", f.Status.FrameworkID, f.Annotations[v1alpha1.AnnotationFrameworkID])
	}
	if len(s.sessions) != 1 {
		t.Error("another session was begun")
	}
}

func TestFrameworkIDIsReplacedOnlyWithoutRunningTasks(t *testing.T) {
	s := newFixture(t, newFramework("default", storedID("f-1")), newNode(withTask("TASK_RUNNING")))
	s.reconcile("default")
	s.sessions[0].setState(subscribedState)
	s.edit(wantedID("f-2"))
	s.reconcile("default")
	if status, reason, message := s.condition("default", v1alpha1.ConditionReady); status != metav1.ConditionFalse || reason != v1alpha1.ReasonFrameworkIDConflict {
		t.Errorf("while a task runs: %s %s: %s", status, reason, message)
	}
	if running := s.reconciler.findSession("default"); running == nil || running.Ended() {
		t.Fatal("the session that the nodes have was ended")
	}
	n := s.node()
	n.Status.Task.State = "TASK_KILLED"
	if err := s.client.Status().Update(context.Background(), n); err != nil {
		t.Fatal(err)
	}
	s.await("the session under the other ID", func() bool { s.reconcile("default"); return len(s.sessions) == 2 })
	if id := s.sessions[1].config.Framework.ID; id != "f-2" {
		t.Errorf("it is under %q", id)
	}
}

func TestStoreFrameworkIDSurvivesACrashAtAnyWrite(t *testing.T) {
	for _, at := range allCrashes(2) {
		t.Run(at.String(), func(t *testing.T) {
			s := newFixture(t, newFramework("default"))
			s.crash = &at
			if err := s.reconciler.recordOf("default").StoreFrameworkID(context.Background(), "f-1"); !errors.Is(err, errCrashed) {
				t.Fatal(err)
			}
			s.crash = nil
			s.startOperator()
			s.reconcile("default")
			if len(s.sessions) != 1 {
				t.Fatal("no session begins after the crash")
			}
			noted := s.framework("default").Annotations[v1alpha1.AnnotationFrameworkID]
			if id := s.sessions[0].config.Framework.ID; id != noted {
				t.Errorf("it is under %q, and the annotation says %q", id, noted)
			}
		})
	}
}

// allCrashes returns every crash that is possible at n writes.
func allCrashes(n int) []crash {
	var out []crash
	for i := range n {
		out = append(out, crash{n: i + 1}, crash{n: i + 1, after: true})
	}
	return out
}

func (c crash) String() string {
	if c.after {
		return fmt.Sprintf("after write %d", c.n)
	}
	return fmt.Sprintf("before write %d", c.n)
}

var removed = session.State{Reason: scheduler.FrameworkRemoved, Message: "Framework has been removed.", FrameworkID: "f-1", Final: true}

func recreated(f *v1alpha1.MesosFramework) {
	f.Spec.OnFrameworkRemoved = v1alpha1.FrameworkRemovedRecreate
}

func TestRecreationOfARemovedFrameworkSurvivesACrashAtAnyWrite(t *testing.T) {
	const never = 100
	for _, at := range append(allCrashes(5), crash{n: never}) {
		t.Run(at.String(), func(t *testing.T) {
			crashes := at.n < never
			second := newNode(withTask("TASK_UNREACHABLE"), func(n *v1alpha1.MesosNode) {
				n.Name, n.Status.Task.ID = "general-b", "general-b.0f1e2d3c.1"
			})
			f := newFramework("default", storedID("f-1"), notedID("f-1"), recreated)
			f.Finalizers = []string{v1alpha1.FinalizerTeardown}
			s := newFixture(t, f, newNode(withTask("TASK_RUNNING")), second)
			s.crash = &at
			crashed := s.reconcileUntilRecreated()
			if crashed != crashes {
				t.Fatalf("crashed: %t", crashed)
			}
			if crashed {
				s.crash = nil
				s.startOperator()
				if s.reconcileUntilRecreated() {
					t.Fatal("it crashed again")
				}
			}
			if f := s.framework("default"); f.Status.FrameworkID != "" || f.Annotations[v1alpha1.AnnotationFrameworkID] != "" {
				t.Errorf("the ID was not given up: %q, %q", f.Status.FrameworkID, f.Annotations[v1alpha1.AnnotationFrameworkID])
			}
		})
	}
}

// reconcileUntilRecreated reconciles the framework, whose ID f-1 Mesos has removed, until a
// session begins without an ID, and checks that every task's end is on record by then.
// It returns true if the operator crashes before.
func (s *fixture) reconcileUntilRecreated() (crashed bool) {
	s.t.Helper()
	for range 50 {
		known := len(s.sessions)
		_, err := s.reconciler.Reconcile(context.Background(), reconcile.Request{NamespacedName: client.ObjectKey{Name: "default"}})
		if errors.Is(err, errCrashed) {
			return true
		}
		if err != nil {
			s.t.Fatal(err)
		}
		for _, made := range s.sessions[known:] {
			if made.config.Framework.ID != "" {
				made.setState(removed)
				continue
			}
			var nodes v1alpha1.MesosNodeList
			if err := s.client.List(context.Background(), &nodes); err != nil {
				s.t.Fatal(err)
			}
			for _, n := range nodes.Items {
				if n.Status.Task.State != string(scheduler.TaskGone) || n.Status.Task.Reason != scheduler.ReasonFrameworkRemoved {
					s.t.Errorf("the ID was given up while %s is %s", n.Status.Task.ID, n.Status.Task.State)
				}
			}
			return false
		}
		s.await("the end of what is final", func() bool {
			running := s.reconciler.findSession("default")
			return running == nil || !running.State().Final || running.Ended()
		})
	}
	s.t.Fatal("nothing came of it")
	return false
}

func TestRemovedFrameworkIsKeptUntilAnOperatorDecides(t *testing.T) {
	tests := map[string]struct {
		changes []func(*v1alpha1.MesosFramework)
		edit    func(*v1alpha1.MesosFramework)
		says    string
	}{
		"the policy is Hold":            {says: "set spec.onFrameworkRemoved to Recreate"},
		"the spec names another ID":     {changes: []func(*v1alpha1.MesosFramework){wantedID("f-1")}, edit: wantedID("f-2"), says: "set spec.onFrameworkRemoved to Recreate"},
		"the spec names the removed ID": {changes: []func(*v1alpha1.MesosFramework){recreated, wantedID("f-1")}, says: "remove it from the spec to have the framework registered anew"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			s := newFixture(t, newFramework("default", append(test.changes, storedID("f-1"))...), newNode(withTask("TASK_RUNNING")))
			s.reconcile("default")
			s.sessions[0].setState(removed)
			if test.edit != nil {
				s.edit(test.edit)
			}
			for range 3 {
				s.reconcile("default")
			}
			if _, reason, message := s.condition("default", v1alpha1.ConditionReady); reason != v1alpha1.ReasonFrameworkRemoved || !contains(message, test.says) {
				t.Errorf("Ready is %s: %s", reason, message)
			}
			if diff := cmp.Diff("TASK_RUNNING f-1", s.node().Status.Task.State+" "+s.framework("default").Status.FrameworkID); diff != "" || len(s.sessions) != 1 {
				t.Errorf("task and ID (-want +got), with %d sessions:\n%s", len(s.sessions), diff)
			}
		})
	}
}
