package launchretry

import (
	"cmp"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/controllers/messages"
	"github.com/k8sm/k8sm/controllers/nodemodel"
	"github.com/k8sm/k8sm/mesos/scheduler"
)

const (
	// MaxBackoff bounds every wait before another attempt.
	MaxBackoff = 10 * time.Minute
	// AgentBackoff is the time that an agent is left out after one failure; it doubles with
	// each further one in a row.
	AgentBackoff = 30 * time.Second
	// nodeBackoff is the time that the node waits after it failed more than freeFailures
	// times; it doubles with each further failure. Without it a node that can start
	// nowhere would be tried on every agent of the cluster in a row.
	nodeBackoff  = 10 * time.Second
	freeFailures = 2
	// maxFailures is the number of agents that status.failures holds, and maxFailureMessage
	// the size of each one's message, in bytes.
	maxFailures       = 16
	maxFailureMessage = 1024
)

// noFaultReasons are Mesos' reasons for the end of a task that the agent is not to blame for.
var noFaultReasons = map[string]bool{
	"REASON_CONTAINER_PREEMPTED":     true,
	"REASON_AGENT_DRAINING":          true,
	scheduler.ReasonFrameworkRemoved: true,
}

// Plan is what follows a task that ended before it became a Node.
type Plan struct {
	// At is the time at which the next attempt may begin.
	At time.Time
	// Failures replace status.failures when it begins.
	Failures []v1alpha1.AgentFailure
	// Rejected is true when the same task is likely to be rejected again.
	Rejected bool
}

// Decide decides what follows the end of the current task, before it became a Node.
// A task that was dropped never started, and one whose resources were taken back, or
// whose agent is being drained, ended through no fault of its agent: it is tried again
// at once. One that Mesos calls an error is asked for again only after a long time. All
// others are held against their agent.
func Decide(status v1alpha1.MesosNodeStatus) Plan {
	task := status.Task
	when := endTime(task)
	switch {
	case scheduler.TaskState(task.State) == scheduler.TaskError, task.Reason == scheduler.ReasonCallRefused:
		return Plan{At: when.Add(MaxBackoff), Failures: status.Failures, Rejected: true}
	case task.Reason == scheduler.ReasonPrepareFailed:
		return Plan{At: when.Add(AgentBackoff), Failures: status.Failures}
	case task.Reason == scheduler.ReasonAddressRefused: // Another agent may do.
	case scheduler.TaskState(task.State) == scheduler.TaskDropped, noFaultReasons[task.Reason]:
		return Plan{At: when, Failures: status.Failures}
	}
	failures := recordFailure(status.Failures, task, when)
	return Plan{At: when.Add(nodeDelay(failures)), Failures: failures}
}

// endTime is the time at which the task's end was reported.
func endTime(task *v1alpha1.MesosTask) time.Time {
	if task.UpdateTime != nil {
		return task.UpdateTime.Time
	}
	return task.IntentTime.Time
}

// recordFailure returns the failures with another one of the task's agent. An agent whose
// back-off has passed is remembered for another MaxBackoff, so that its next failure counts as
// the second in a row. When there are too many, the agent whose back-off ends first is
// dropped.
func recordFailure(old []v1alpha1.AgentFailure, task *v1alpha1.MesosTask, when time.Time) []v1alpha1.AgentFailure {
	count := int32(1)
	var out []v1alpha1.AgentFailure
	for _, f := range old {
		switch {
		case f.AgentID == task.AgentID:
			count += f.Count
		case when.Before(f.Until.Add(MaxBackoff)):
			out = append(out, f)
		}
	}
	out = append(out, v1alpha1.AgentFailure{
		AgentID: task.AgentID,
		Count:   count,
		Until:   metav1.NewTime(when.Add(exponential(AgentBackoff, count))),
		Reason:  cmp.Or(task.Reason, task.State),
		Message: messages.Truncate(nodemodel.DescribeEnd(task), maxFailureMessage),
	})
	slices.SortStableFunc(out, func(a, b v1alpha1.AgentFailure) int { return b.Until.Compare(a.Until.Time) })
	return out[:min(len(out), maxFailures)]
}

// LastMessage is the message of the latest failure, "" if there was none.
func LastMessage(failures []v1alpha1.AgentFailure) string {
	if len(failures) == 0 {
		return ""
	}
	return slices.MaxFunc(failures, func(a, b v1alpha1.AgentFailure) int { return lastFailedAt(a).Compare(lastFailedAt(b)) }).Message
}

// lastFailedAt is the time of the agent's last failure.
func lastFailedAt(f v1alpha1.AgentFailure) time.Time {
	return f.Until.Add(-exponential(AgentBackoff, f.Count))
}

// nodeDelay is the time that the node waits whatever the agent: none at first.
func nodeDelay(failures []v1alpha1.AgentFailure) time.Duration {
	var sum int32
	for _, f := range failures {
		sum += f.Count
	}
	if sum <= freeFailures {
		return 0
	}
	return exponential(nodeBackoff, sum-freeFailures)
}

// exponential is d for the first time and twice as long for each further one, MaxBackoff at
// most.
func exponential(d time.Duration, times int32) time.Duration {
	for ; times > 1 && d < MaxBackoff; times-- {
		d *= 2
	}
	return min(d, MaxBackoff)
}

// FirstExpiry is the time at which the first agent that is left out may be used again;
// zero if none is left out.
func FirstExpiry(failures []v1alpha1.AgentFailure, now time.Time) time.Time {
	var first time.Time
	for _, f := range failures {
		if now.Before(f.Until.Time) && (first.IsZero() || f.Until.Time.Before(first)) {
			first = f.Until.Time
		}
	}
	return first
}
