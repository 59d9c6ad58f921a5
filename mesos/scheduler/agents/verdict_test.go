package agents

import (
	"testing"
	"time"

	"github.com/k8sm/k8sm/mesos/scheduler/tasks"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func TestVerdictOnTheEndOfATask(t *testing.T) {
	t.Parallel()
	fresh, ran := task{launchedAt: noon}, task{launchedAt: noon, ranAt: noon.Add(time.Minute)}
	restored := task{restored: true}
	for name, tc := range map[string]struct {
		task      task
		after     time.Duration
		state     tasks.State
		reason    string
		source    string
		isKilling bool
		want      verdict
	}{
		"the container cannot be launched":         {task: fresh, state: tasks.Failed, reason: "REASON_CONTAINER_LAUNCH_FAILED", want: failed},
		"the executor does not register":           {task: fresh, state: tasks.Failed, reason: "REASON_EXECUTOR_REGISTRATION_TIMEOUT", want: failed},
		"it fails after it ran":                    {task: ran, state: tasks.Failed, want: failed},
		"it fails after a restart of the operator": {task: restored, state: tasks.Failed, want: failed},
		"it finishes by itself":                    {task: ran, state: tasks.Finished, want: failed},
		"it used more memory than it has":          {task: ran, state: tasks.Failed, reason: "REASON_CONTAINER_LIMITATION_MEMORY", want: blameless},
		"its resources are taken back":             {task: ran, state: tasks.Gone, reason: "REASON_CONTAINER_PREEMPTED", want: blameless},
		"its agent drains":                         {task: fresh, state: tasks.Dropped, reason: "REASON_AGENT_DRAINING", want: blameless},
		"the master refuses it":                    {task: fresh, state: tasks.Error, want: blameless},
		"a person says that the agent is gone":     {task: ran, state: tasks.GoneByOperator, want: blameless},
		"it was never sent":                        {task: fresh, state: tasks.Dropped, source: tasks.SourceK8sm, want: blameless},
		"the offer was gone":                       {task: fresh, state: tasks.Dropped, reason: "REASON_INVALID_OFFERS", want: dropped},
		"the agent does not know it":               {task: fresh, state: tasks.Dropped, reason: "REASON_RECONCILIATION", want: dropped},
		"the launch was lost on its way":           {task: fresh, state: tasks.Gone, reason: "REASON_RECONCILIATION", want: dropped},
		"it is gone after it ran":                  {task: ran, state: tasks.Gone, reason: "REASON_RECONCILIATION", want: wentAway},
		"the agent is disconnected":                {task: fresh, state: tasks.Dropped, reason: "REASON_AGENT_DISCONNECTED", want: wentAway},
		"the agent restarts without its executor":  {task: fresh, state: tasks.Failed, reason: "REASON_EXECUTOR_REREGISTRATION_TIMEOUT", want: wentAway},
		"the agent is cut off at once":             {task: fresh, after: time.Minute, state: tasks.Unreachable, want: wentAway},
		"the agent is cut off much later":          {task: fresh, after: time.Hour, state: tasks.Unreachable, want: blameless},
		"the agent is cut off while it runs":       {task: ran, after: 2 * time.Minute, state: tasks.Unreachable, want: blameless},
		"an intent of before is not found":         {task: task{}, state: tasks.Unreachable, want: blameless},
		"it is killed while it runs":               {task: ran, after: time.Hour, state: tasks.Killed, isKilling: true, want: blameless},
		"it fails while it is killed":              {task: ran, after: time.Hour, state: tasks.Failed, isKilling: true, want: blameless},
		"it is killed soon after its launch":       {task: fresh, after: time.Minute, state: tasks.Killed, isKilling: true, want: blameless},
		"it is killed because it never came up":    {task: fresh, after: 15 * time.Minute, state: tasks.Killed, isKilling: true, want: failed},
		"it is killed, launched before a restart":  {task: task{}, after: 15 * time.Minute, state: tasks.Killed, isKilling: true, want: blameless},
		"it runs":                     {task: fresh, state: tasks.Running, want: blameless},
		"the master does not know it": {task: fresh, state: tasks.Unknown, want: blameless},
		"the executor ends, with a reason of Mesos'": {task: ran, state: tasks.Failed, reason: "REASON_EXECUTOR_TERMINATED", want: failed},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			st := &tasks.Status{State: tc.state, Reason: tc.reason, Source: tc.source}
			if got := judge(noon.Add(tc.after), &tc.task, st, tc.isKilling); got != tc.want {
				t.Errorf("verdict %d, want %d", got, tc.want)
			}
		})
	}
}
