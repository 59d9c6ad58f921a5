package mesosframework

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/controllers/identity"
	"github.com/k8sm/k8sm/mesos/nodeapi"
	"github.com/k8sm/k8sm/mesos/scheduler"
)

func (s *story) store() *store {
	return &store{
		framework: "default", client: s.client, live: s.client, tokens: identity.Tokens{Writer: s.client},
		supplies: supplies(), now: func() time.Time { return s.now },
	}
}

func (s *story) tokens() []string {
	s.t.Helper()
	var secrets corev1.SecretList
	if err := s.client.List(context.Background(), &secrets, client.InNamespace("kube-system")); err != nil {
		s.t.Fatal(err)
	}
	var out []string
	for _, secret := range secrets.Items {
		out = append(out, strings.TrimPrefix(secret.Name, "bootstrap-token-"))
	}
	return out
}

func TestPrepareWritesTheIntentThenIssuesTheToken(t *testing.T) {
	s := begin(t, newFramework("default"), newNode())
	made, err := s.store().Prepare(context.Background(), newIntent())
	if err != nil {
		t.Fatal(err)
	}
	message, err := nodeapi.DecodeLaunchSpec(made.Data)
	if err != nil {
		t.Fatal(err)
	}
	id, _, _ := strings.Cut(message.BootstrapToken, ".")
	got := s.node().Status.Task
	want := &v1alpha1.MesosTask{
		ID: taskID, AgentID: "S1", AgentHostname: "agent-1.example", AgentAddress: "10.1.2.3", KubeletPort: 31000,
		Region: "eu", Zone: "eu-1", BootstrapTokenID: id, IntentTime: metav1.NewTime(noon.Local()),
	}
	if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b metav1.Time) bool { return a.Equal(&b) })); diff != "" {
		t.Errorf("task (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{id}, s.tokens()); diff != "" {
		t.Errorf("tokens (-want +got):\n%s", diff)
	}
}

func TestPrepareRefuses(t *testing.T) {
	gone := metav1.NewTime(noon)
	tests := map[string]struct {
		node   *v1alpha1.MesosNode
		intent func(*scheduler.Intent)
		want   string
	}{
		"a node that does not exist":   {want: scheduler.ErrUnknownTask.Error()},
		"a task ID that is none":       {node: newNode(), intent: func(i *scheduler.Intent) { i.TaskID = "spark-1" }, want: scheduler.ErrUnknownTask.Error()},
		"a node that is being deleted": {node: newNode(func(n *v1alpha1.MesosNode) { n.DeletionTimestamp = &gone }), want: "is being deleted"},
		"an attempt that has passed":   {node: newNode(func(n *v1alpha1.MesosNode) { n.Status.Attempt = 2 }), want: "at another attempt"},
		"a node of the same name that was made anew": {
			node: newNode(func(n *v1alpha1.MesosNode) { n.UID = "99999999-aaaa-bbbb-cccc-000000000001" }),
			want: "or is another",
		},
		"a node that has a task": {
			node: newNode(func(n *v1alpha1.MesosNode) {
				n.Status.Task = &v1alpha1.MesosTask{ID: taskID, AgentID: "S2", State: "TASK_RUNNING"}
			}),
			want: "has the task " + taskID + " (TASK_RUNNING) already",
		},
		"a node whose last task has ended, before the next attempt": {
			node: newNode(func(n *v1alpha1.MesosNode) {
				n.Status.Task = &v1alpha1.MesosTask{ID: taskID, AgentID: "S2", State: "TASK_FAILED"}
			}),
			want: "(TASK_FAILED) already",
		},
		"a node of another framework": {
			node: newNode(func(n *v1alpha1.MesosNode) { n.Spec.FrameworkRef.Name = "other" }),
			want: scheduler.ErrUnknownTask.Error(),
		},
		"what no node could be made of": {
			node: newNode(), intent: func(i *scheduler.Intent) { i.Address = "" }, want: "is not an IP address",
		},
		"an agent that took its address from /etc/hosts": {
			node: newNode(), intent: func(i *scheduler.Intent) { i.Address = "127.0.1.1" }, want: "start the agent with --ip=",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			objects := []client.Object{newFramework("default")}
			if test.node != nil {
				objects = append(objects, test.node)
			}
			s := begin(t, objects...)
			intent := newIntent()
			if test.intent != nil {
				test.intent(&intent)
			}
			_, err := s.store().Prepare(context.Background(), intent)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
			if s.writes > 0 || len(s.tokens()) > 0 {
				t.Errorf("it wrote %d times and issued %v", s.writes, s.tokens())
			}
		})
	}
}

func TestPrepareLooksAgainAfterAConflict(t *testing.T) {
	s := begin(t, newFramework("default"), newNode())
	s.conflicts = 3
	if _, err := s.store().Prepare(context.Background(), newIntent()); err != nil {
		t.Fatal(err)
	}
	if got := s.tokens(); len(got) != 1 || s.node().Status.Task.BootstrapTokenID != got[0] {
		t.Errorf("tokens are %v, on record is %q", got, s.node().Status.Task.BootstrapTokenID)
	}
}

func TestNothingIsPreparedBecauseACacheLags(t *testing.T) {
	s := begin(t, newFramework("default"), newNode(func(n *v1alpha1.MesosNode) {
		n.Status.Task = &v1alpha1.MesosTask{ID: taskID, AgentID: "S2", State: "TASK_STAGING"}
	}))
	stale := begin(t, newNode(func(n *v1alpha1.MesosNode) { n.ResourceVersion = "1" }))
	store := s.store()
	store.client = interceptor.NewClient(s.client, interceptor.Funcs{
		Get: func(ctx context.Context, _ client.WithWatch, key client.ObjectKey, into client.Object, opts ...client.GetOption) error {
			return stale.client.Get(ctx, key, into, opts...)
		},
	})
	_, err := store.Prepare(context.Background(), newIntent())
	if err == nil || !strings.Contains(err.Error(), "already") {
		t.Errorf("got %v, want a refusal", err)
	}
	if s.node().Status.Task.AgentID != "S2" {
		t.Error("the task on record was replaced")
	}
}

func TestRecord(t *testing.T) {
	type task = v1alpha1.MesosTask
	at := noon.Add(-time.Minute) // by the agent's clock, which is not ours
	tests := map[string]struct {
		task   *task
		status scheduler.TaskStatus
		want   *task
		err    error
		writes int
	}{
		"what is new is written": {
			task:   &task{ID: taskID, BootstrapTokenID: "abc123"},
			status: scheduler.TaskStatus{TaskID: taskID, State: scheduler.TaskStarting, Message: "fetching", Time: at},
			want:   &task{ID: taskID, BootstrapTokenID: "abc123", State: "TASK_STARTING", Message: "fetching", UpdateTime: &metav1.Time{Time: noon}},
			writes: 1,
		},
		"what is known is not written again": {
			task:   &task{ID: taskID, State: "TASK_RUNNING"},
			status: scheduler.TaskStatus{TaskID: taskID, State: scheduler.TaskRunning, Time: at},
			want:   &task{ID: taskID, State: "TASK_RUNNING"},
		},
		"an answer to reconciliation that says what is known is not written": {
			task:   &task{ID: taskID, State: "TASK_RUNNING"},
			status: scheduler.TaskStatus{TaskID: taskID, State: scheduler.TaskRunning, Reason: "REASON_RECONCILIATION", Message: "Reconciliation: Latest task state", Time: at},
			want:   &task{ID: taskID, State: "TASK_RUNNING"},
		},
		"a node that runs needs no token": {
			task:   &task{ID: taskID, BootstrapTokenID: "abc123", CertificateRequest: "csr-1", State: "TASK_STARTING"},
			status: scheduler.TaskStatus{TaskID: taskID, State: scheduler.TaskRunning},
			want:   &task{ID: taskID, CertificateRequest: "csr-1", State: "TASK_RUNNING", UpdateTime: &metav1.Time{Time: noon}},
			writes: 1,
		},
		"another kubelet is news": {
			task:   &task{ID: taskID, State: "TASK_RUNNING", Kubelet: &v1alpha1.TaskKubelet{SHA256: "old"}},
			status: scheduler.TaskStatus{TaskID: taskID, State: scheduler.TaskRunning, Data: nodeapi.NodeStatus{Kubelet: "new"}.Encode()},
			want:   &task{ID: taskID, State: "TASK_RUNNING", Kubelet: &v1alpha1.TaskKubelet{SHA256: "new"}, UpdateTime: &metav1.Time{Time: noon}},
			writes: 1,
		},
		"so is one that was refused": {
			task: &task{ID: taskID, State: "TASK_RUNNING", Kubelet: &v1alpha1.TaskKubelet{SHA256: "old"}},
			status: scheduler.TaskStatus{TaskID: taskID, State: scheduler.TaskRunning,
				Data: nodeapi.NodeStatus{Kubelet: "old", Upgrade: nodeapi.Upgrade{SHA256: "new", Message: "rolled back", Refused: true}}.Encode()},
			want: &task{ID: taskID, State: "TASK_RUNNING", UpdateTime: &metav1.Time{Time: noon}, Kubelet: &v1alpha1.TaskKubelet{
				SHA256: "old", Upgrade: &v1alpha1.TaskKubeletUpgrade{SHA256: "new", Message: "rolled back", Refused: true}}},
			writes: 1,
		},
		"the same kubelet is none": {
			task:   &task{ID: taskID, State: "TASK_RUNNING", Kubelet: &v1alpha1.TaskKubelet{SHA256: "old"}},
			status: scheduler.TaskStatus{TaskID: taskID, State: scheduler.TaskRunning, Data: nodeapi.NodeStatus{Kubelet: "old"}.Encode()},
			want:   &task{ID: taskID, State: "TASK_RUNNING", Kubelet: &v1alpha1.TaskKubelet{SHA256: "old"}},
		},
		"what an executor of another release says cannot harm": {
			task:   &task{ID: taskID, State: "TASK_STARTING", Kubelet: &v1alpha1.TaskKubelet{SHA256: "old"}},
			status: scheduler.TaskStatus{TaskID: taskID, State: scheduler.TaskRunning, Data: []byte(`{"version": 99, "kubelet": {}}`)},
			want:   &task{ID: taskID, State: "TASK_RUNNING", Kubelet: &v1alpha1.TaskKubelet{SHA256: "old"}, UpdateTime: &metav1.Time{Time: noon}},
			writes: 1,
		},
		"the end is written with its reason": {
			task:   &task{ID: taskID, BootstrapTokenID: "abc123", State: "TASK_STAGING"},
			status: scheduler.TaskStatus{TaskID: taskID, State: scheduler.TaskFailed, Reason: "REASON_EXECUTOR_TERMINATED", Message: "exit 1", Time: at},
			want:   &task{ID: taskID, State: "TASK_FAILED", Reason: "REASON_EXECUTOR_TERMINATED", Message: "exit 1", UpdateTime: &metav1.Time{Time: noon}},
			writes: 1,
		},
		"the first end counts": {
			task:   &task{ID: taskID, State: "TASK_FAILED", Reason: "REASON_EXECUTOR_TERMINATED"},
			status: scheduler.TaskStatus{TaskID: taskID, State: scheduler.TaskGone, Reason: "REASON_RECONCILIATION"},
			want:   &task{ID: taskID, State: "TASK_FAILED", Reason: "REASON_EXECUTOR_TERMINATED"},
		},
		"a task that lives after its end is nobody's": {
			task:   &task{ID: taskID, State: "TASK_DROPPED"},
			status: scheduler.TaskStatus{TaskID: taskID, State: scheduler.TaskRunning},
			want:   &task{ID: taskID, State: "TASK_DROPPED"},
			err:    scheduler.ErrUnknownTask,
		},
		"a task of another attempt is nobody's": {
			task:   &task{ID: "general-x7k2p.0f1e2d3c.2"},
			status: scheduler.TaskStatus{TaskID: taskID, State: scheduler.TaskRunning},
			want:   &task{ID: "general-x7k2p.0f1e2d3c.2"},
			err:    scheduler.ErrUnknownTask,
		},
		"a task of a node without one is nobody's": {
			status: scheduler.TaskStatus{TaskID: taskID, State: scheduler.TaskRunning},
			err:    scheduler.ErrUnknownTask,
		},
		"a task of a node that is gone is nobody's": {
			task:   &task{ID: taskID},
			status: scheduler.TaskStatus{TaskID: "general-zzzzz.0f1e2d3c.1", State: scheduler.TaskRunning},
			want:   &task{ID: taskID},
			err:    scheduler.ErrUnknownTask,
		},
		"a task that never was a node's is nobody's": {
			task:   &task{ID: taskID},
			status: scheduler.TaskStatus{TaskID: "spark", State: scheduler.TaskRunning},
			want:   &task{ID: taskID},
			err:    scheduler.ErrUnknownTask,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			s := begin(t, newNode(func(n *v1alpha1.MesosNode) { n.Status.Task = test.task }))
			err := s.store().Record(context.Background(), test.status)
			if !errors.Is(err, test.err) {
				t.Errorf("got error %v, want %v", err, test.err)
			}
			sameTime := cmp.Comparer(func(a, b metav1.Time) bool { return a.Equal(&b) })
			if diff := cmp.Diff(test.want, s.node().Status.Task, sameTime); diff != "" {
				t.Errorf("task (-want +got):\n%s", diff)
			}
			if s.writes != test.writes {
				t.Errorf("wrote %d times, want %d", s.writes, test.writes)
			}
		})
	}
}

func TestTheTokenOfALaunchThatFailedIsRevoked(t *testing.T) {
	s := begin(t, newFramework("default"), newNode())
	if _, err := s.store().Prepare(context.Background(), newIntent()); err != nil {
		t.Fatal(err)
	}
	status := scheduler.TaskStatus{TaskID: taskID, State: scheduler.TaskDropped, Reason: scheduler.ReasonInvalidOffers}
	if err := s.store().Record(context.Background(), status); err != nil {
		t.Fatal(err)
	}
	if got := s.tokens(); len(got) > 0 {
		t.Errorf("tokens are left: %v", got)
	}
}

func TestStoreFrameworkID(t *testing.T) {
	ctx := context.Background()
	s := begin(t, newFramework("default"))
	s.conflicts = 2
	for range 2 { // the second time it is there
		if err := s.store().StoreFrameworkID(ctx, "f-1"); err != nil {
			t.Fatal(err)
		}
	}
	if got := s.framework("default").Status.FrameworkID; got != "f-1" || s.writes != 3 {
		t.Errorf("the ID is %q after %d writes", got, s.writes)
	}
	if err := s.store().StoreFrameworkID(ctx, "f-2"); err == nil || s.framework("default").Status.FrameworkID != "f-1" {
		t.Errorf("the ID was replaced: %v", err)
	}
	s = begin(t)
	if err := s.store().StoreFrameworkID(ctx, "f-1"); !apierrors.IsNotFound(err) {
		t.Errorf("got %v, want not found", err)
	}
}

func TestTrim(t *testing.T) {
	for name, text := range map[string]string{
		"short":           "exit 1",
		"long":            strings.Repeat("a", 2*maxMessage),
		"long, in Greek":  strings.Repeat("α", maxMessage),
		"not text at all": "\xff\xfe",
	} {
		got := trim(text)
		if len(got) > maxMessage || !utf8.ValidString(got) || name == "short" && got != text {
			t.Errorf("%s: %d bytes, valid: %t", name, len(got), utf8.ValidString(got))
		}
	}
}

// Logs and exec come from the API server, with a certificate that may be of another
// authority than the API server's own.
func TestNodesKnowTheAuthorityOfTheirClients(t *testing.T) {
	published := &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Namespace: "kube-system", Name: "extension-apiserver-authentication"},
		Data:       map[string]string{"client-ca-file": "of clients"},
	}
	refusing := func(err error) interceptor.Funcs {
		return interceptor.Funcs{Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, object client.Object, opts ...client.GetOption) error {
			if _, ok := object.(*corev1.ConfigMap); ok {
				return err
			}
			return c.Get(ctx, key, object, opts...)
		}}
	}
	for name, test := range map[string]struct {
		objects []client.Object
		answers interceptor.Funcs
		want    string
		err     string
	}{
		"published":         {objects: []client.Object{published}, want: "of clients"},
		"not published":     {},
		"not for us":        {answers: refusing(apierrors.NewForbidden(corev1.Resource("configmaps"), published.Name, errors.New("no role")))},
		"not to be had now": {answers: refusing(apierrors.NewTimeoutError("busy", 1)), err: "reading the authority of the API server's clients: Timeout: busy"},
	} {
		t.Run(name, func(t *testing.T) {
			s := begin(t, append(test.objects, newFramework("default"), newNode())...)
			s.reconciler.Live = interceptor.NewClient(s.client, test.answers)
			_, err := s.reconciler.Reconcile(context.Background(), reconcile.Request{NamespacedName: client.ObjectKey{Name: "default"}})
			if test.err != "" {
				if err == nil || err.Error() != test.err || len(s.sessions) > 0 {
					t.Errorf("got %v and %d sessions, want %s", err, len(s.sessions), test.err)
				}
				return
			}
			if err != nil || len(s.sessions) != 1 {
				t.Fatalf("got %v and %d sessions", err, len(s.sessions))
			}
			made, err := s.sessions[0].config.Store.Prepare(context.Background(), newIntent())
			if err != nil {
				t.Fatal(err)
			}
			message, err := nodeapi.DecodeLaunchSpec(made.Data)
			if err != nil || string(message.ClientCAData) != test.want {
				t.Errorf("the kubelet's clients are checked against %q (%v), want %q", message.ClientCAData, err, test.want)
			}
		})
	}
}
