package nodemodel

import (
	"fmt"
	"strings"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/mesos/scheduler"
)

// HasEnded reports whether the task is known to run no more, nor ever to run again. No task
// has not ended.
func HasEnded(task *v1alpha1.MesosTask) bool {
	return task != nil && scheduler.TaskState(task.State).Terminal()
}

// MayRun reports whether the node has a task that is not known to have ended.
func MayRun(node *v1alpha1.MesosNode) bool {
	return node.Status.Task != nil && !HasEnded(node.Status.Task)
}

// HasIdentity reports whether the kubelet of a task may have a certificate in the node's name:
// its first request was approved, or is about to be.
func HasIdentity(task *v1alpha1.MesosTask) bool {
	return task != nil && (task.CertificateRequest != "" || task.Certificate != nil)
}

// IsUnreachable reports whether Mesos does not know the state of the task: its agent is cut
// off, or the master does not know it. The task may run and may come back.
func IsUnreachable(task *v1alpha1.MesosTask) bool {
	switch scheduler.TaskState(task.State) {
	case scheduler.TaskUnreachable, scheduler.TaskLost, scheduler.TaskUnknown:
		return true
	}
	return false
}

// AgentName returns the name of a task's agent for messages: its host name or, if that is not on
// record, its agent ID.
func AgentName(task *v1alpha1.MesosTask) string {
	if task.AgentHostname != "" {
		return task.AgentHostname
	}
	return task.AgentID
}

// DescribeEnd returns how a task ended, in a sentence.
func DescribeEnd(task *v1alpha1.MesosTask) string {
	why := task.State
	if task.Reason != "" {
		why += ", " + task.Reason
	}
	return fmt.Sprintf("The task on agent %s ended (%s).%s", AgentName(task), why, TaskMessage(task))
}

// TaskMessage returns what was reported of a task as a sentence, after a space; empty if nothing
// was.
func TaskMessage(task *v1alpha1.MesosTask) string {
	message := strings.TrimSpace(task.Message)
	if message == "" {
		return ""
	}
	return " " + strings.TrimRight(message, ".") + "."
}
