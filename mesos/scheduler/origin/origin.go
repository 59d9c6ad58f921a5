// Package origin judges status updates by who made them. Mesos passes on what any executor
// of the framework says about any task: the agent checks only that the executor is one of
// its own. So an executor's word counts for its own task alone, and only where that task
// was launched; and only the master and the agent can know that a task was dropped or is
// gone.
//
// The package does not know what a state means for a task, and keeps nothing. mesos/scheduler
// asks it about each status before anything else is done with the status.
package origin

import (
	"fmt"
	"strings"

	"github.com/k8sm/k8sm/mesos/scheduler/maintenance"
	"github.com/k8sm/k8sm/mesos/scheduler/tasks"
)

// The sources that Mesos gives to a status. The agent sets the source of what it passes on,
// so that no executor can choose it.
const (
	sourceExecutor = "SOURCE_EXECUTOR"
	sourceAgent    = "SOURCE_AGENT"
	sourceMaster   = "SOURCE_MASTER"
)

// Verdict is what a status update is worth.
type Verdict uint8

// The verdicts.
const (
	// Counts: the status is news of the task that it names.
	Counts Verdict = iota
	// Foreign: it was made by another executor than the task's, or comes from another agent
	// than the one where the task was launched. It is acknowledged, because Mesos would send
	// it for ever, and is not recorded.
	Foreign
	// Echo: the master answers with a state that it knows only from a foreign update. It is
	// an answer, and no news.
	Echo
)

// Judge returns what a status is worth for the task that it names; nil stands for a task that
// is not known yet. A status of an executor loses what an executor cannot know: see own.
func Judge(st *tasks.Status, t *tasks.Task) Verdict {
	switch st.Source {
	case sourceExecutor:
		if st.ExecutorID != st.TaskID || isElsewhere(st, t) || isOthersState(st.State) {
			return Foreign
		}
		own(st)
	case sourceAgent:
		if isElsewhere(st, t) {
			return Foreign
		}
	case sourceMaster:
		if t != nil && st.Reason == tasks.ReasonReconciliation && t.IsDisputed(st.State) {
			return Echo
		}
	}
	return Counts
}

// Explain says for the log why a status is foreign.
func Explain(st *tasks.Status, t *tasks.Task) string {
	// An executor chooses the ID of the task, in any length.
	what := fmt.Sprintf("%s of task %.255q", st.State, st.TaskID)
	switch {
	case st.Source == sourceExecutor && st.ExecutorID != st.TaskID:
		return fmt.Sprintf("%s comes from executor %.255q on agent %.255q, which is not the task's executor", what, st.ExecutorID, st.AgentID)
	case isElsewhere(st, t):
		return fmt.Sprintf("%s comes from agent %.255q, but the task was launched on agent %.255q", what, st.AgentID, t.AgentID)
	}
	return what + " comes from an executor, which cannot know that"
}

// isElsewhere reports whether a status comes from another agent than the task's.
func isElsewhere(st *tasks.Status, t *tasks.Task) bool {
	return t != nil && t.AgentID != "" && st.AgentID != "" && st.AgentID != t.AgentID
}

// isOthersState reports whether a state is said of a task by others than its executor, and
// does not end the task.
func isOthersState(s tasks.State) bool {
	return s == tasks.Staging || s == tasks.Unreachable || s == tasks.Unknown
}

// own takes out of a status what the task's own executor cannot know. Reasons and states
// decide whether a failure counts against the agent, so that an executor must not choose
// them: an end that only others can see is a failure. A draining agent itself sets its
// reason in what executors say of killed tasks, and the state where it is to be marked gone.
func own(st *tasks.Status) {
	if st.Reason == maintenance.ReasonAgentDraining && isKilled(st.State) {
		return
	}
	switch st.State {
	case tasks.Dropped, tasks.Gone, tasks.GoneByOperator, tasks.Lost:
		st.Message = strings.TrimSpace(fmt.Sprintf("The executor reported %s. %s", st.State, st.Message))
		st.State = tasks.Failed
	}
	if !strings.HasPrefix(st.Reason, "REASON_TASK_") && !strings.HasPrefix(st.Reason, "REASON_COMMAND_") {
		st.Reason = ""
	}
}

func isKilled(s tasks.State) bool {
	return s == tasks.Killing || s == tasks.Killed || s == tasks.GoneByOperator
}
