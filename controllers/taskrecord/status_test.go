package taskrecord

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/controllers/bootstraptoken"
	"github.com/k8sm/k8sm/mesos/nodeapi"
	"github.com/k8sm/k8sm/mesos/scheduler"
)

func TestMessagesOnRecordAreBounded(t *testing.T) {
	for name, text := range map[string]string{
		"short":                              "exit 1",
		"long":                               strings.Repeat("a", 2*maxMessage),
		"long, with characters of two bytes": strings.Repeat("α", maxMessage),
		"invalid UTF-8":                      "\xff\xfe",
	} {
		task := &v1alpha1.MesosTask{}
		report := nodeapi.NodeStatus{Kubelet: "old", Upgrade: nodeapi.Upgrade{SHA256: "new", Message: text}}
		applyStatus(task, scheduler.TaskStatus{State: scheduler.TaskFailed, Message: text, Data: report.Encode()}, noon)
		for field, got := range map[string]string{"message": task.Message, "upgrade": task.Kubelet.Upgrade.Message} {
			if len(got) > maxMessage || !utf8.ValidString(got) || name == "short" && got != text {
				t.Errorf("%s, %s: %d bytes, valid: %t", name, field, len(got), utf8.ValidString(got))
			}
		}
	}
}

// A report of 3 MiB, from an executor that was taken over, leaves the record writable.
func TestReportsOnRecordAreBounded(t *testing.T) {
	long := strings.Repeat("a", 3<<20)
	for name, data := range map[string]string{
		"the digest of the kubelet": `{"version": 1, "kubelet": "` + long + `"}`,
		"the digest of the upgrade": `{"version": 1, "upgrade": {"sha256": "` + long + `"}}`,
		"a message":                 `{"version": 1, "upgrade": {"sha256": "a", "message": "` + long + `"}}`,
		"a digest of 65 characters": `{"version": 1, "kubelet": "` + long[:65] + `"}`,
	} {
		task := &v1alpha1.MesosTask{Kubelet: &v1alpha1.TaskKubelet{SHA256: "old"}}
		applyStatus(task, scheduler.TaskStatus{State: scheduler.TaskRunning, Data: []byte(data)}, noon)
		if task.State != string(scheduler.TaskRunning) || task.Kubelet.SHA256 != "old" || task.Kubelet.Upgrade != nil {
			t.Errorf("%s: the record has state %s and a kubelet with a digest of %d bytes", name, task.State, len(task.Kubelet.SHA256))
		}
	}
}

func TestWhatAgentsSayOfThemselvesIsBoundedOnRecord(t *testing.T) {
	long := strings.Repeat("ä", 3<<20)
	task := newTask(scheduler.Intent{TaskID: taskID, AgentID: long, Hostname: long, Address: long, Region: long, Zone: long}, bootstraptoken.New(), noon)
	for name, got := range map[string]string{
		"ID": task.AgentID, "host name": task.AgentHostname, "address": task.AgentAddress, "region": task.Region, "zone": task.Zone,
	} {
		if len(got) > maxName || !utf8.ValidString(got) {
			t.Errorf("the agent's %s has %d bytes on record", name, len(got))
		}
	}
}

func TestRefusalsOfContentAreRecognized(t *testing.T) {
	kind := schema.GroupKind{Group: "k8sm.io", Kind: "MesosNode"}
	for name, test := range map[string]struct {
		err  error
		want bool
	}{
		"none":                       {nil, false},
		"the API server's limit":     {apierrors.NewRequestEntityTooLargeError("limit is 3145728"), true},
		"wrapped":                    {fmt.Errorf("writing status: %w", apierrors.NewRequestEntityTooLargeError("limit is 3145728")), true},
		"the schema":                 {apierrors.NewInvalid(kind, nodeName, nil), true},
		"etcd's limit":               {apierrors.NewInternalError(errors.New("etcdserver: request is too large")), true},
		"the limit of etcd's client": {errors.New("rpc error: code = ResourceExhausted desc = trying to send message larger than max (2213432 vs. 2097152)"), true},
		"a conflict":                 {apierrors.NewConflict(schema.GroupResource{Resource: "mesosnodes"}, nodeName, errors.New("changed")), false},
		"an API server that is away": {errors.New("connection refused"), false},
		"a task that is unknown":     {scheduler.ErrUnknownTask, false},
	} {
		if got := isContentRefused(test.err); got != test.want {
			t.Errorf("%s: got %t", name, got)
		}
	}
}

func TestUpdateTimeChangesOnlyWithTheRecord(t *testing.T) {
	status := scheduler.TaskStatus{State: scheduler.TaskRunning, Reason: "REASON_X", Message: "up"}
	task := &v1alpha1.MesosTask{}
	applyStatus(task, status, noon)
	for name, test := range map[string]struct {
		status scheduler.TaskStatus
		news   bool
	}{
		"the same status": {status: status},
		"another message": {status: scheduler.TaskStatus{State: status.State, Reason: status.Reason, Message: "down"}, news: true},
		"another reason":  {status: scheduler.TaskStatus{State: status.State, Reason: "REASON_Y", Message: status.Message}, news: true},
		"another state":   {status: scheduler.TaskStatus{State: scheduler.TaskUnreachable, Reason: status.Reason, Message: status.Message}, news: true},
		"the same status with the time of the agent": {status: scheduler.TaskStatus{State: status.State, Reason: status.Reason, Message: status.Message, Time: noon.Add(time.Hour)}},
		"the same state, from task reconciliation":   {status: scheduler.TaskStatus{State: status.State, Reason: scheduler.ReasonReconciliation, Message: "Latest state"}},
		"another state, from task reconciliation":    {status: scheduler.TaskStatus{State: scheduler.TaskLost, Reason: scheduler.ReasonReconciliation}, news: true},
		"an agent that serves executors without credentials": {status: scheduler.TaskStatus{State: status.State, Reason: status.Reason, Message: status.Message,
			Data: nodeapi.NodeStatus{AnonymousExecutors: true}.Encode()}, news: true},
		"the architecture of the agent": {status: scheduler.TaskStatus{State: status.State, Reason: status.Reason, Message: status.Message,
			Data: nodeapi.NodeStatus{Architecture: "arm64"}.Encode()}, news: true},
		"data without a kubelet": {status: scheduler.TaskStatus{State: status.State, Reason: status.Reason, Message: status.Message, Data: []byte("garbage")}},
	} {
		t.Run(name, func(t *testing.T) {
			got := task.DeepCopy()
			applyStatus(got, test.status, noon.Add(time.Minute))
			if news := !got.UpdateTime.Equal(task.UpdateTime); news != test.news {
				t.Errorf("the time of the update changed: %t, want %t", news, test.news)
			}
			if diff := cmp.Diff(task, got); (diff != "") != test.news {
				t.Errorf("the record changed (-before +after):\n%s", diff)
			}
		})
	}
}

func TestArchitectureOfTheAgentIsRecorded(t *testing.T) {
	for name, test := range map[string]struct {
		status nodeapi.NodeStatus
		want   *v1alpha1.TaskKubelet
	}{
		"reported":                {nodeapi.NodeStatus{Kubelet: "a", Architecture: "arm64"}, &v1alpha1.TaskKubelet{SHA256: "a", Architecture: v1alpha1.ArchitectureARM64}},
		"by an earlier release":   {nodeapi.NodeStatus{Kubelet: "a"}, &v1alpha1.TaskKubelet{SHA256: "a"}},
		"longer than any name is": {nodeapi.NodeStatus{Kubelet: "a", Architecture: strings.Repeat("x", 17)}, nil},
	} {
		task := &v1alpha1.MesosTask{}
		applyStatus(task, scheduler.TaskStatus{State: scheduler.TaskRunning, Data: test.status.Encode()}, noon)
		if diff := cmp.Diff(test.want, task.Kubelet); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestANodeIsLaunchedOnlyAsItsCurrentAttempt(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*v1alpha1.MesosNode)
		taskID string
		want   string // part of the error, "" for none
	}{
		"the current attempt": {taskID: taskID},
		"the next attempt":    {taskID: "general-x7k2p.0f1e2d3c.2", want: "at another attempt"},
		"another node":        {taskID: "general-y.0f1e2d3c.1", want: "or has another UID"},
		"the next attempt, when it is current": {
			change: func(n *v1alpha1.MesosNode) { n.Status.Attempt = 2 }, taskID: "general-x7k2p.0f1e2d3c.2",
		},
		"the current attempt, launched before": {
			change: func(n *v1alpha1.MesosNode) { n.Status.Task = &v1alpha1.MesosTask{ID: taskID, State: "TASK_STAGING"} },
			taskID: taskID, want: "(TASK_STAGING) already",
		},
	} {
		n := newNode()
		if test.change != nil {
			test.change(n)
		}
		err := checkLaunchable(n, test.taskID)
		if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
			t.Errorf("%s: got %v, want %q", name, err, test.want)
		}
	}
}
