package taskrecord

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/controllers/messages"
	"github.com/k8sm/k8sm/controllers/nodemodel"
	"github.com/k8sm/k8sm/mesos/nodeapi"
	"github.com/k8sm/k8sm/mesos/scheduler"
)

const (
	// maxMessage is the maximum length, in bytes, of a status message on record.
	maxMessage = 4096
	// maxName is the maximum length, in bytes, of what an agent says about itself.
	maxName = 255
)

// bare returns a status with its state and nothing that an executor or an agent wrote. It is
// recorded when the API server refuses the content of a status: without a record the status
// would never be acknowledged, and block all that come after it.
func bare(status scheduler.TaskStatus) scheduler.TaskStatus {
	status.Message = "The API server refused the content of this status, so only its state is on record."
	status.Data = nil
	return status
}

// isContentRefused reports whether the API server refused a write because of what it holds, so
// that the same write is refused again. The API server itself answers that a body is too
// large, or invalid; etcd's refusal comes as an internal error with etcd's words.
func isContentRefused(err error) bool {
	if err == nil {
		return false
	}
	if apierrors.IsRequestEntityTooLargeError(err) || apierrors.IsInvalid(err) || apierrors.IsBadRequest(err) {
		return true
	}
	text := err.Error()
	return strings.Contains(text, "request is too large") || strings.Contains(text, "message larger than max")
}

// checkLaunchable returns an error if the node must not be launched as this task.
func checkLaunchable(n *v1alpha1.MesosNode, taskID string) error {
	switch task := n.Status.Task; {
	case !n.DeletionTimestamp.IsZero():
		return fmt.Errorf("MesosNode %s is being deleted", n.Name)
	case nodemodel.TaskID(n, n.Status.Attempt) != taskID:
		return fmt.Errorf("MesosNode %s is at another attempt, or has another UID", n.Name)
	case task != nil:
		return fmt.Errorf("MesosNode %s has the task %s (%s) already", n.Name, task.ID, task.State)
	}
	return nil
}

// refusedStatus is the end of an attempt on an agent whose address is refused.
func refusedStatus(intent scheduler.Intent, refusal error) scheduler.TaskStatus {
	return scheduler.TaskStatus{
		TaskID: intent.TaskID, AgentID: intent.AgentID, State: scheduler.TaskDropped, Source: scheduler.SourceK8sm,
		Reason: scheduler.ReasonAddressRefused, Message: refusal.Error(),
	}
}

// checkAfterEnd returns the result of recording a status of a task whose end is on record.
// The first end counts, so a second one changes nothing. A task that lives after its end
// is an unknown task.
func checkAfterEnd(status scheduler.TaskStatus) error {
	if status.State.Terminal() {
		return nil
	}
	return scheduler.ErrUnknownTask
}

// applyStatus writes a status into the task if it has news. UpdateTime is our own time, not
// that of the status: back-off after a failure counts from it, and an agent's clock may be
// wrong.
func applyStatus(task *v1alpha1.MesosTask, status scheduler.TaskStatus, now time.Time) {
	if task.State == string(status.State) && status.Reason == scheduler.ReasonReconciliation {
		return // The status answers a question of task reconciliation and has no news.
	}
	before := task.DeepCopy()
	if len(status.UUID) > 0 {
		task.DisputedStates = nil // what the master knows of the task is true again
	}
	applyReport(task, status)
	message := messages.Truncate(status.Message, maxMessage)
	if task.State == string(status.State) && task.Reason == status.Reason && task.Message == message && equality.Semantic.DeepEqual(before, task) {
		return
	}
	task.State, task.Reason, task.Message = string(status.State), status.Reason, message
	task.UpdateTime = &metav1.Time{Time: now}
}

// maxDisputed bounds the states on record that were claimed; Mesos has fewer states.
const maxDisputed = 16

// addDisputed records the state that a foreign status claimed.
func addDisputed(task *v1alpha1.MesosTask, state scheduler.TaskState) {
	if len(task.DisputedStates) < maxDisputed && !slices.Contains(task.DisputedStates, string(state)) {
		task.DisputedStates = append(task.DisputedStates, string(state))
	}
}

// disputedStates is the inverse of addDisputed.
func disputedStates(task *v1alpha1.MesosTask) []scheduler.TaskState {
	var states []scheduler.TaskState
	for _, state := range task.DisputedStates {
		states = append(states, scheduler.TaskState(state))
	}
	return states
}

// applyReport writes what the executor reports with a status. A status without a report, or
// with one that this version cannot read, changes nothing.
func applyReport(task *v1alpha1.MesosTask, status scheduler.TaskStatus) {
	report, present, err := nodeapi.DecodeNodeStatus(status.Data)
	if err != nil || !present {
		return
	}
	task.AnonymousExecutors = report.AnonymousExecutors
	task.Kubelet = &v1alpha1.TaskKubelet{SHA256: report.Kubelet, Architecture: v1alpha1.Architecture(report.Architecture)}
	if u := report.Upgrade; u.SHA256 != "" {
		task.Kubelet.Upgrade = &v1alpha1.TaskKubeletUpgrade{SHA256: u.SHA256, Refused: u.Refused, Message: messages.Truncate(u.Message, maxMessage)}
	}
}
