package mesosnode

import (
	"cmp"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/mesos/scheduler"
)

const (
	// maxBackoff bounds every wait before another attempt.
	maxBackoff = 10 * time.Minute
	// agentBackoff is how long an agent is left out after one failure; it doubles with
	// each further one in a row.
	agentBackoff = 30 * time.Second
	// nodeBackoff is how long the node waits after it failed more than freeFailures
	// times; it doubles with each further one. Without it a node that can start
	// nowhere would be tried on every agent of the cluster in a row.
	nodeBackoff  = 10 * time.Second
	freeFailures = 2
	// maxFailures is how many agents status.failures holds, and maxSaid how much of what
	// was said of each, in bytes.
	maxFailures = 16
	maxSaid     = 1024
)

// blameless are the reasons of ends that say nothing of the agent.
var blameless = map[string]bool{
	"REASON_CONTAINER_PREEMPTED":     true,
	"REASON_AGENT_DRAINING":          true,
	scheduler.ReasonFrameworkRemoved: true,
}

// retry is what follows a task that ended before it became a Node.
type retry struct {
	// At is when the next attempt may begin.
	At time.Time
	// Failures replace status.failures when it begins.
	Failures []v1alpha1.AgentFailure
	// Rejected says that the same again is likely to fail again.
	Rejected bool
}

// planRetry decides what follows the end of the current task, before it became a Node.
// A task that was dropped never started, and one whose resources were taken back, or
// whose agent is being drained, ended through no fault of its agent: it is tried again
// at once. One that Mesos calls an error is asked for again only after a long time. All
// others are held against their agent.
func planRetry(status v1alpha1.MesosNodeStatus) retry {
	task := status.Task
	when := endOf(task)
	switch {
	case scheduler.TaskState(task.State) == scheduler.TaskError, task.Reason == scheduler.ReasonCallRefused:
		return retry{At: when.Add(maxBackoff), Failures: status.Failures, Rejected: true}
	case task.Reason == scheduler.ReasonPrepareFailed:
		return retry{At: when.Add(agentBackoff), Failures: status.Failures}
	case scheduler.TaskState(task.State) == scheduler.TaskDropped, blameless[task.Reason]:
		return retry{At: when, Failures: status.Failures}
	}
	failures := blame(status.Failures, task, when)
	return retry{At: when.Add(pause(failures)), Failures: failures}
}

// endOf is when the task's end was told.
func endOf(task *v1alpha1.MesosTask) time.Time {
	if task.UpdateTime != nil {
		return task.UpdateTime.Time
	}
	return task.IntentTime.Time
}

// blame holds a failure against the task's agent. An agent that was left out and let
// in again is remembered for another while, so that its next failure counts as the
// second in a row. When there are too many, the one whose time is nearest up goes.
func blame(old []v1alpha1.AgentFailure, task *v1alpha1.MesosTask, when time.Time) []v1alpha1.AgentFailure {
	count := int32(1)
	var out []v1alpha1.AgentFailure
	for _, f := range old {
		switch {
		case f.AgentID == task.AgentID:
			count += f.Count
		case when.Before(f.Until.Add(maxBackoff)):
			out = append(out, f)
		}
	}
	out = append(out, v1alpha1.AgentFailure{
		AgentID: task.AgentID,
		Count:   count,
		Until:   metav1.NewTime(when.Add(double(agentBackoff, count))),
		Reason:  cmp.Or(task.Reason, task.State),
		Message: strings.ToValidUTF8(taskEnded(task)[:min(len(taskEnded(task)), maxSaid)], ""),
	})
	slices.SortStableFunc(out, func(a, b v1alpha1.AgentFailure) int { return b.Until.Compare(a.Until.Time) })
	return out[:min(len(out), maxFailures)]
}

// lastFailure is what was said of the latest of the failures, "" if there was none.
func lastFailure(failures []v1alpha1.AgentFailure) string {
	if len(failures) == 0 {
		return ""
	}
	return slices.MaxFunc(failures, func(a, b v1alpha1.AgentFailure) int { return failedAt(a).Compare(failedAt(b)) }).Message
}

// failedAt is when the agent failed last.
func failedAt(f v1alpha1.AgentFailure) time.Time { return f.Until.Add(-double(agentBackoff, f.Count)) }

// pause is how long the node waits whatever the agent: not at all at first.
func pause(failures []v1alpha1.AgentFailure) time.Duration {
	var sum int32
	for _, f := range failures {
		sum += f.Count
	}
	if sum <= freeFailures {
		return 0
	}
	return double(nodeBackoff, sum-freeFailures)
}

// double is d for the first time and twice as long for each further one, within bounds.
func double(d time.Duration, times int32) time.Duration {
	for ; times > 1 && d < maxBackoff; times-- {
		d *= 2
	}
	return min(d, maxBackoff)
}

// firstExpiry is when the first agent that is left out comes in again; zero if none is.
func firstExpiry(failures []v1alpha1.AgentFailure, now time.Time) time.Time {
	var first time.Time
	for _, f := range failures {
		if now.Before(f.Until.Time) && (first.IsZero() || f.Until.Time.Before(first)) {
			first = f.Until.Time
		}
	}
	return first
}
