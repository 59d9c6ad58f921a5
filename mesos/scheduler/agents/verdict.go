package agents

import (
	"strings"
	"time"

	"github.com/k8sm/k8sm/mesos/scheduler/tasks"
)

// slowStart is the longest that a start should take. A task that is killed later, and never
// ran, has failed: its caller has given up on it. One that is killed sooner is just not
// wanted any more. An agent that is cut off later need not have ended by the start.
const slowStart = 10 * time.Minute

// verdict is what the end of a task says about its agent.
type verdict uint8

const (
	// blameless: the agent did nothing wrong.
	blameless verdict = iota
	// dropped: the task never reached the agent. That happens to good agents, too, and
	// counts when it repeats.
	dropped
	// failed: the task ended, and was not told to.
	failed
	// wentAway: the agent itself ended, or was cut off, while it had the task to start.
	wentAway
)

// noFaultReasons are Mesos' reasons for an end that the agent is not to blame for.
var noFaultReasons = map[string]bool{
	"REASON_CONTAINER_PREEMPTED":       true,
	"REASON_AGENT_DRAINING":            true,
	"REASON_AGENT_REMOVED_BY_OPERATOR": true,
	"REASON_TASK_UNAUTHORIZED":         true,
	"REASON_TASK_INVALID":              true,
	"REASON_FRAMEWORK_REMOVED":         true,
}

// limitReasons begins the reasons of a task that used more than it was given.
const limitReasons = "REASON_CONTAINER_LIMITATION"

// awayReasons are Mesos' reasons for an end that came with that of the agent's process.
var awayReasons = map[string]bool{
	"REASON_AGENT_DISCONNECTED":              true,
	"REASON_AGENT_REMOVED":                   true,
	"REASON_AGENT_RESTARTED":                 true,
	"REASON_AGENT_UNKNOWN":                   true,
	"REASON_EXECUTOR_REREGISTRATION_TIMEOUT": true,
}

// judge decides what a status says about the agent of its task.
func judge(now time.Time, t *task, st *tasks.Status, isKilling bool) verdict {
	switch {
	case st.Source == tasks.SourceK8sm, noFaultReasons[st.Reason], strings.HasPrefix(st.Reason, limitReasons):
		return blameless
	case st.State == tasks.Unreachable && now.Sub(t.launchedAt) < slowStart && !t.hasRun() && !isKilling:
		return wentAway
	case !st.State.Terminal(), st.State == tasks.Error, st.State == tasks.GoneByOperator:
		return blameless
	case isKilling || st.State == tasks.Killed:
		return judgeKilled(now, t)
	}
	return judgeEnd(t, st)
}

// judgeKilled decides what the end of a task that was told to end says.
func judgeKilled(now time.Time, t *task) verdict {
	if !t.hasRun() && !t.launchedAt.IsZero() && now.Sub(t.launchedAt) >= slowStart {
		return failed
	}
	return blameless
}

// judgeEnd decides what the end of a task that was not told to end says.
func judgeEnd(t *task, st *tasks.Status) verdict {
	switch {
	case awayReasons[st.Reason]:
		return wentAway
	case st.State == tasks.Dropped:
		return dropped
	case st.State == tasks.Gone && st.Reason == tasks.ReasonReconciliation && !t.hasRun():
		return dropped // the launch may have been lost on its way to the agent
	case st.State == tasks.Gone:
		return wentAway
	}
	return failed
}
