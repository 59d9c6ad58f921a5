package taskrecord

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/mesos/nodeapi"
	"github.com/k8sm/k8sm/mesos/scheduler"
)

func TestPrepareWritesTheIntentThenIssuesTheToken(t *testing.T) {
	c := newCluster(t, newFramework(), newNode())
	payload, err := c.store().Prepare(context.Background(), newIntent())
	if err != nil {
		t.Fatal(err)
	}
	id, _, _ := strings.Cut(string(payload.Data), ".")
	got := c.node().Status.Task
	want := &v1alpha1.MesosTask{
		ID: taskID, AgentID: "S1", AgentHostname: "agent-1.example", AgentAddress: "10.1.2.3", KubeletPort: 31000,
		Region: "eu", Zone: "eu-1", BootstrapTokenID: id, IntentTime: metav1.NewTime(noon.Local()), RegistrationTaint: true,
	}
	if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b metav1.Time) bool { return a.Equal(&b) })); diff != "" {
		t.Errorf("task (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{id}, c.tokens()); diff != "" {
		t.Errorf("tokens (-want +got):\n%s", diff)
	}
}

func TestPrepareRecordsThatAnAddressIsRefused(t *testing.T) {
	c := newCluster(t, newFramework(), newNode())
	s := c.store()
	s.CheckAddress = func(_ context.Context, address, agentID string) (bool, error) {
		if address != "10.1.2.3" || agentID != "S1" {
			t.Errorf("asked about %s of %s", address, agentID)
		}
		return true, errors.New("it is a Service's")
	}
	if _, err := s.Prepare(t.Context(), newIntent()); !errors.Is(err, scheduler.ErrAgentRefused) || !strings.Contains(err.Error(), "it is a Service's") {
		t.Errorf("got %v, want a refusal of the agent", err)
	}
	task := c.node().Status.Task
	if task == nil || task.State != "TASK_DROPPED" || task.Reason != scheduler.ReasonAddressRefused || task.Message != "it is a Service's" || task.BootstrapTokenID != "" {
		t.Errorf("the record is %+v", task)
	}
	if len(c.tokens()) > 0 {
		t.Error("a token was issued")
	}
}

func TestPrepareWritesNothingWhenTheCheckOfAnAddressFails(t *testing.T) {
	c := newCluster(t, newFramework(), newNode())
	s := c.store()
	s.CheckAddress = func(context.Context, string, string) (bool, error) { return false, errors.New("broken") }
	if _, err := s.Prepare(t.Context(), newIntent()); err == nil || errors.Is(err, scheduler.ErrAgentRefused) {
		t.Errorf("got %v, want a failure", err)
	}
	if task := c.node().Status.Task; task != nil {
		t.Errorf("the record is %+v", task)
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
		"a malformed task ID":          {node: newNode(), intent: func(i *scheduler.Intent) { i.TaskID = "spark-1" }, want: scheduler.ErrUnknownTask.Error()},
		"a node that is being deleted": {node: newNode(func(n *v1alpha1.MesosNode) { n.DeletionTimestamp = &gone }), want: "is being deleted"},
		"an earlier attempt":           {node: newNode(func(n *v1alpha1.MesosNode) { n.Status.Attempt = 2 }), want: "at another attempt"},
		"another node of the same name": {
			node: newNode(func(n *v1alpha1.MesosNode) { n.UID = "99999999-aaaa-bbbb-cccc-000000000001" }),
			want: "or has another UID",
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
		"an intent that gives no payload": {
			node: newNode(), intent: func(i *scheduler.Intent) { i.Address = "" }, want: "the agent has no address",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			objects := []client.Object{newFramework()}
			if test.node != nil {
				objects = append(objects, test.node)
			}
			c := newCluster(t, objects...)
			intent := newIntent()
			if test.intent != nil {
				test.intent(&intent)
			}
			_, err := c.store().Prepare(context.Background(), intent)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
			if c.writes > 0 || len(c.tokens()) > 0 {
				t.Errorf("it wrote %d times and issued %v", c.writes, c.tokens())
			}
		})
	}
}

func TestPrepareRereadsAfterAConflict(t *testing.T) {
	c := newCluster(t, newFramework(), newNode())
	c.conflicts = 3
	if _, err := c.store().Prepare(context.Background(), newIntent()); err != nil {
		t.Fatal(err)
	}
	if got := c.tokens(); len(got) != 1 || c.node().Status.Task.BootstrapTokenID != got[0] {
		t.Errorf("tokens are %v, on record is %q", got, c.node().Status.Task.BootstrapTokenID)
	}
}

func TestStaleCachePreparesNothing(t *testing.T) {
	c := newCluster(t, newFramework(), newNode(func(n *v1alpha1.MesosNode) {
		n.Status.Task = &v1alpha1.MesosTask{ID: taskID, AgentID: "S2", State: "TASK_STAGING"}
	}))
	stale := newCluster(t, newNode(func(n *v1alpha1.MesosNode) { n.ResourceVersion = "1" }))
	store := c.store()
	store.Client = interceptor.NewClient(c.client, interceptor.Funcs{
		Get: func(ctx context.Context, _ client.WithWatch, key client.ObjectKey, into client.Object, opts ...client.GetOption) error {
			return stale.client.Get(ctx, key, into, opts...)
		},
	})
	_, err := store.Prepare(context.Background(), newIntent())
	if err == nil || !strings.Contains(err.Error(), "already") {
		t.Errorf("got %v, want a refusal", err)
	}
	if c.node().Status.Task.AgentID != "S2" {
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
		"a new state is written": {
			task:   &task{ID: taskID, BootstrapTokenID: "abc123"},
			status: scheduler.TaskStatus{TaskID: taskID, State: scheduler.TaskStarting, Message: "fetching", Time: at},
			want:   &task{ID: taskID, BootstrapTokenID: "abc123", State: "TASK_STARTING", Message: "fetching", UpdateTime: &metav1.Time{Time: noon}},
			writes: 1,
		},
		"a known state is not written again": {
			task:   &task{ID: taskID, State: "TASK_RUNNING"},
			status: scheduler.TaskStatus{TaskID: taskID, State: scheduler.TaskRunning, Time: at},
			want:   &task{ID: taskID, State: "TASK_RUNNING"},
		},
		"a known state from task reconciliation is not written again": {
			task:   &task{ID: taskID, State: "TASK_RUNNING"},
			status: scheduler.TaskStatus{TaskID: taskID, State: scheduler.TaskRunning, Reason: "REASON_RECONCILIATION", Message: "Reconciliation: Latest task state", Time: at},
			want:   &task{ID: taskID, State: "TASK_RUNNING"},
		},
		"the token is revoked when the node runs": {
			task:   &task{ID: taskID, BootstrapTokenID: "abc123", CertificateRequest: "csr-1", State: "TASK_STARTING"},
			status: scheduler.TaskStatus{TaskID: taskID, State: scheduler.TaskRunning},
			want:   &task{ID: taskID, CertificateRequest: "csr-1", State: "TASK_RUNNING", UpdateTime: &metav1.Time{Time: noon}},
			writes: 1,
		},
		"another kubelet is written": {
			task:   &task{ID: taskID, State: "TASK_RUNNING", Kubelet: &v1alpha1.TaskKubelet{SHA256: "old"}},
			status: scheduler.TaskStatus{TaskID: taskID, State: scheduler.TaskRunning, Data: nodeapi.NodeStatus{Kubelet: "new"}.Encode()},
			want:   &task{ID: taskID, State: "TASK_RUNNING", Kubelet: &v1alpha1.TaskKubelet{SHA256: "new"}, UpdateTime: &metav1.Time{Time: noon}},
			writes: 1,
		},
		"a refused kubelet is written": {
			task: &task{ID: taskID, State: "TASK_RUNNING", Kubelet: &v1alpha1.TaskKubelet{SHA256: "old"}},
			status: scheduler.TaskStatus{TaskID: taskID, State: scheduler.TaskRunning,
				Data: nodeapi.NodeStatus{Kubelet: "old", Upgrade: nodeapi.Upgrade{SHA256: "new", Message: "rolled back", Refused: true}}.Encode()},
			want: &task{ID: taskID, State: "TASK_RUNNING", UpdateTime: &metav1.Time{Time: noon}, Kubelet: &v1alpha1.TaskKubelet{
				SHA256: "old", Upgrade: &v1alpha1.TaskKubeletUpgrade{SHA256: "new", Message: "rolled back", Refused: true}}},
			writes: 1,
		},
		"the same kubelet is not written again": {
			task:   &task{ID: taskID, State: "TASK_RUNNING", Kubelet: &v1alpha1.TaskKubelet{SHA256: "old"}},
			status: scheduler.TaskStatus{TaskID: taskID, State: scheduler.TaskRunning, Data: nodeapi.NodeStatus{Kubelet: "old"}.Encode()},
			want:   &task{ID: taskID, State: "TASK_RUNNING", Kubelet: &v1alpha1.TaskKubelet{SHA256: "old"}},
		},
		"data of an unknown version is ignored": {
			task:   &task{ID: taskID, State: "TASK_STARTING", Kubelet: &v1alpha1.TaskKubelet{SHA256: "old"}},
			status: scheduler.TaskStatus{TaskID: taskID, State: scheduler.TaskRunning, Data: []byte(`{"version": 99, "kubelet": {}}`)},
			want:   &task{ID: taskID, State: "TASK_RUNNING", Kubelet: &v1alpha1.TaskKubelet{SHA256: "old"}, UpdateTime: &metav1.Time{Time: noon}},
			writes: 1,
		},
		"a terminal state is written with its reason": {
			task:   &task{ID: taskID, BootstrapTokenID: "abc123", State: "TASK_STAGING"},
			status: scheduler.TaskStatus{TaskID: taskID, State: scheduler.TaskFailed, Reason: "REASON_EXECUTOR_TERMINATED", Message: "exit 1", Time: at},
			want:   &task{ID: taskID, State: "TASK_FAILED", Reason: "REASON_EXECUTOR_TERMINATED", Message: "exit 1", UpdateTime: &metav1.Time{Time: noon}},
			writes: 1,
		},
		"a second terminal state is ignored": {
			task:   &task{ID: taskID, State: "TASK_FAILED", Reason: "REASON_EXECUTOR_TERMINATED"},
			status: scheduler.TaskStatus{TaskID: taskID, State: scheduler.TaskGone, Reason: "REASON_RECONCILIATION"},
			want:   &task{ID: taskID, State: "TASK_FAILED", Reason: "REASON_EXECUTOR_TERMINATED"},
		},
		"a running state after a terminal one is an unknown task": {
			task:   &task{ID: taskID, State: "TASK_DROPPED"},
			status: scheduler.TaskStatus{TaskID: taskID, State: scheduler.TaskRunning},
			want:   &task{ID: taskID, State: "TASK_DROPPED"},
			err:    scheduler.ErrUnknownTask,
		},
		"a task of another attempt is unknown": {
			task:   &task{ID: "general-x7k2p.0f1e2d3c.2"},
			status: scheduler.TaskStatus{TaskID: taskID, State: scheduler.TaskRunning},
			want:   &task{ID: "general-x7k2p.0f1e2d3c.2"},
			err:    scheduler.ErrUnknownTask,
		},
		"a task of a node without a task is unknown": {
			status: scheduler.TaskStatus{TaskID: taskID, State: scheduler.TaskRunning},
			err:    scheduler.ErrUnknownTask,
		},
		"a task of a deleted node is unknown": {
			task:   &task{ID: taskID},
			status: scheduler.TaskStatus{TaskID: "general-zzzzz.0f1e2d3c.1", State: scheduler.TaskRunning},
			want:   &task{ID: taskID},
			err:    scheduler.ErrUnknownTask,
		},
		"a task that no node had is unknown": {
			task:   &task{ID: taskID},
			status: scheduler.TaskStatus{TaskID: "spark", State: scheduler.TaskRunning},
			want:   &task{ID: taskID},
			err:    scheduler.ErrUnknownTask,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			c := newCluster(t, newNode(func(n *v1alpha1.MesosNode) { n.Status.Task = test.task }))
			err := c.store().Record(context.Background(), test.status)
			if !errors.Is(err, test.err) {
				t.Errorf("got error %v, want %v", err, test.err)
			}
			sameTime := cmp.Comparer(func(a, b metav1.Time) bool { return a.Equal(&b) })
			if diff := cmp.Diff(test.want, c.node().Status.Task, sameTime); diff != "" {
				t.Errorf("task (-want +got):\n%s", diff)
			}
			if c.writes != test.writes {
				t.Errorf("wrote %d times, want %d", c.writes, test.writes)
			}
		})
	}
}

func TestTokenOfAFailedLaunchIsRevoked(t *testing.T) {
	c := newCluster(t, newFramework(), newNode())
	if _, err := c.store().Prepare(context.Background(), newIntent()); err != nil {
		t.Fatal(err)
	}
	status := scheduler.TaskStatus{TaskID: taskID, State: scheduler.TaskDropped, Reason: scheduler.ReasonInvalidOffers}
	if err := c.store().Record(context.Background(), status); err != nil {
		t.Fatal(err)
	}
	if got := c.tokens(); len(got) > 0 {
		t.Errorf("tokens are left: %v", got)
	}
}

func TestLiveTasks(t *testing.T) {
	task := func(name, framework, state string) *v1alpha1.MesosNode {
		return newNode(func(n *v1alpha1.MesosNode) {
			n.Name, n.Spec.FrameworkRef.Name = name, framework
			n.Status.Task = &v1alpha1.MesosTask{ID: name + ".0f1e2d3c.1", AgentID: "S1", State: state}
		})
	}
	alone := task("alone", "default", "TASK_STARTING")
	alone.Labels = nil
	c := newCluster(t, newNode(), alone, task("runs", "default", "TASK_RUNNING"), task("intended", "default", ""),
		task("ended", "default", "TASK_FAILED"), task("cut-off", "default", "TASK_UNREACHABLE"), task("foreign", "other", "TASK_RUNNING"))
	got, err := c.store().LiveTasks(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	want := []scheduler.Task{
		{ID: "alone.0f1e2d3c.1", AgentID: "S1", Group: "alone", State: scheduler.TaskStarting},
		{ID: "cut-off.0f1e2d3c.1", AgentID: "S1", Group: "general", State: scheduler.TaskUnreachable},
		{ID: "intended.0f1e2d3c.1", AgentID: "S1", Group: "general"},
		{ID: "runs.0f1e2d3c.1", AgentID: "S1", Group: "general", State: scheduler.TaskRunning},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("tasks (-want +got):\n%s", diff)
	}
}

func TestRecordTasksGone(t *testing.T) {
	node := func(name, framework, state string) *v1alpha1.MesosNode {
		return newNode(func(n *v1alpha1.MesosNode) {
			n.Name, n.Spec.FrameworkRef.Name = name, framework
			n.Status.Task = &v1alpha1.MesosTask{ID: name + ".0f1e2d3c.1", AgentID: "S1", State: state}
		})
	}
	c := newCluster(t, node("a", "default", "TASK_RUNNING"), node("b", "default", "TASK_FAILED"), node("c", "other", "TASK_RUNNING"), node("d", "default", ""))
	if err := c.store().RecordTasksGone(context.Background()); err != nil {
		t.Fatal(err)
	}
	var nodes v1alpha1.MesosNodeList
	if err := c.client.List(context.Background(), &nodes); err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, n := range nodes.Items {
		got[n.Name] = n.Status.Task.State + " " + n.Status.Task.Reason
	}
	gone := "TASK_GONE " + scheduler.ReasonFrameworkRemoved
	if diff := cmp.Diff(map[string]string{"a": gone, "b": "TASK_FAILED ", "c": "TASK_RUNNING ", "d": gone}, got); diff != "" {
		t.Errorf("tasks (-want +got):\n%s", diff)
	}
}

// A status whose content the API server refuses is recorded as its bare state: otherwise it
// would never be acknowledged, and the end of the task never be known.
func TestRefusedStatusIsRecordedAsItsBareState(t *testing.T) {
	for name, refusal := range map[string]error{
		"too large for the API server": apierrors.NewRequestEntityTooLargeError("limit is 3145728"),
		"too large for etcd":           apierrors.NewInternalError(errors.New("etcdserver: request is too large")),
		"invalid":                      apierrors.NewInvalid(v1alpha1.GroupVersion.WithKind("MesosNode").GroupKind(), nodeName, nil),
	} {
		t.Run(name, func(t *testing.T) {
			c := newCluster(t, newNode(func(n *v1alpha1.MesosNode) {
				n.Status.Task = &v1alpha1.MesosTask{ID: taskID, State: "TASK_RUNNING", Kubelet: &v1alpha1.TaskKubelet{SHA256: "old"}}
			}))
			c.refuse = func(object client.Object) error {
				if n, ok := object.(*v1alpha1.MesosNode); ok && strings.Contains(n.Status.Task.Message, "xxx") {
					return refusal
				}
				return nil
			}
			status := scheduler.TaskStatus{
				TaskID: taskID, State: scheduler.TaskFailed, Reason: "REASON_EXECUTOR_TERMINATED",
				Message: strings.Repeat("x", 4000), Data: nodeapi.NodeStatus{Kubelet: "new"}.Encode(),
			}
			if err := c.store().Record(context.Background(), status); err != nil {
				t.Fatal(err)
			}
			task := c.node().Status.Task
			if task.State != "TASK_FAILED" || task.Reason != status.Reason || task.Kubelet.SHA256 != "old" || !strings.Contains(task.Message, "refused the content") {
				t.Errorf("on record is %+v", task)
			}
		})
	}
}

// What fails for another reason is an error, and is tried again as it is.
func TestStatusIsNotStrippedForOtherErrors(t *testing.T) {
	c := newCluster(t, newNode(func(n *v1alpha1.MesosNode) { n.Status.Task = &v1alpha1.MesosTask{ID: taskID, State: "TASK_RUNNING"} }))
	c.refuse = func(client.Object) error { return apierrors.NewServiceUnavailable("starting") }
	err := c.store().Record(context.Background(), scheduler.TaskStatus{TaskID: taskID, State: scheduler.TaskFailed, Message: "exit 1"})
	if !apierrors.IsServiceUnavailable(err) || c.node().Status.Task.State != "TASK_RUNNING" {
		t.Errorf("got %v; on record is %+v", err, c.node().Status.Task)
	}
}

func TestClaimsOfOthersAreOnRecordAndChangeNothingElse(t *testing.T) {
	c := newCluster(t, newNode(func(n *v1alpha1.MesosNode) { n.Status.Task = &v1alpha1.MesosTask{ID: taskID, State: "TASK_RUNNING"} }))
	record := func(state scheduler.TaskState, uuid string, foreign bool) {
		t.Helper()
		status := scheduler.TaskStatus{TaskID: taskID, AgentID: "S2", State: state, UUID: []byte(uuid), IsForeign: foreign}
		if err := c.store().Record(context.Background(), status); err != nil {
			t.Fatal(err)
		}
	}
	record(scheduler.TaskFailed, "f1", true)
	record(scheduler.TaskFailed, "f2", true)
	record(scheduler.TaskKilled, "f3", true)
	task := c.node().Status.Task
	if want := []string{"TASK_FAILED", "TASK_KILLED"}; !slices.Equal(task.DisputedStates, want) || task.State != "TASK_RUNNING" || c.writes != 2 {
		t.Errorf("after %d writes the state is %s, disputed are %v, want %v", c.writes, task.State, task.DisputedStates, want)
	}
	live, err := c.store().LiveTasks(context.Background())
	if err != nil || len(live) != 1 || !slices.Equal(live[0].Disputed, []scheduler.TaskState{scheduler.TaskFailed, scheduler.TaskKilled}) {
		t.Errorf("a later session begins with %+v (error %v)", live, err)
	}
	record(scheduler.TaskRunning, "", false)
	if task = c.node().Status.Task; len(task.DisputedStates) != 2 {
		t.Error("an answer of the master settles claims")
	}
	record(scheduler.TaskRunning, "u1", false)
	if task = c.node().Status.Task; len(task.DisputedStates) != 0 {
		t.Errorf("after an update of the task %v are disputed", task.DisputedStates)
	}
}
