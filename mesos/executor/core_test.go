package executor

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	mesos "github.com/mesos/mesos-go/api/v1/lib"
	"github.com/mesos/mesos-go/api/v1/lib/executor"
)

func launchEvent(id, data string) *executor.Event {
	return &executor.Event{Type: executor.Event_LAUNCH, Launch: &executor.Event_Launch{Task: mesos.TaskInfo{
		Name: id, TaskID: mesos.TaskID{Value: id}, Data: []byte(data),
		KillPolicy: &mesos.KillPolicy{GracePeriod: &mesos.DurationInfo{Nanoseconds: int64(7 * time.Second)}},
	}}}
}

func killEvent(id string, policy *mesos.KillPolicy) *executor.Event {
	return &executor.Event{Type: executor.Event_KILL, Kill: &executor.Event_Kill{TaskID: mesos.TaskID{Value: id}, KillPolicy: policy}}
}

func ackEvent(id, uuid string) *executor.Event {
	return &executor.Event{Type: executor.Event_ACKNOWLEDGED, Acknowledged: &executor.Event_Acknowledged{
		TaskID: mesos.TaskID{Value: id}, UUID: []byte(uuid)}}
}

func TestEventsBecomeDecisions(t *testing.T) {
	policy := func(n int64) *mesos.KillPolicy {
		return &mesos.KillPolicy{GracePeriod: &mesos.DurationInfo{Nanoseconds: n}}
	}
	tests := map[string]struct {
		before []*executor.Event
		event  *executor.Event
		want   Decision
	}{
		"subscribed": {
			event: &executor.Event{Type: executor.Event_SUBSCRIBED, Subscribed: &executor.Event_Subscribed{}},
			want:  Decision{Subscribed: true},
		},
		"the first launch starts the task": {
			event: launchEvent("a", "x"),
			want:  Decision{Launch: &Task{ID: "a", Name: "a", Data: []byte("x"), KillGrace: 7 * time.Second}},
		},
		"a repeated launch after an agent's return is ignored": {
			before: []*executor.Event{launchEvent("a", "")},
			event:  launchEvent("a", ""),
		},
		"a second task is refused": {
			before: []*executor.Event{launchEvent("a", "")},
			event:  launchEvent("b", ""),
			want:   Decision{Refuse: []string{"b"}},
		},
		"a task group is refused": {
			event: &executor.Event{Type: executor.Event_LAUNCH_GROUP, LaunchGroup: &executor.Event_LaunchGroup{
				TaskGroup: mesos.TaskGroupInfo{Tasks: []mesos.TaskInfo{{TaskID: mesos.TaskID{Value: "g1"}}, {TaskID: mesos.TaskID{Value: "g2"}}}}}},
			want: Decision{Refuse: []string{"g1", "g2"}},
		},
		"a kill with a policy has its grace period": {
			before: []*executor.Event{launchEvent("a", "")},
			event:  killEvent("a", policy(int64(3*time.Second))),
			want:   Decision{Kill: &Kill{Grace: 3 * time.Second}},
		},
		"a kill without a policy has no grace period": {
			before: []*executor.Event{launchEvent("a", "")},
			event:  killEvent("a", nil),
			want:   Decision{Kill: &Kill{Grace: -1}},
		},
		"a negative grace period is ignored": {
			before: []*executor.Event{launchEvent("a", "")},
			event:  killEvent("a", policy(-5)),
			want:   Decision{Kill: &Kill{Grace: 0}},
		},
		"a kill of another task is ignored": {
			before: []*executor.Event{launchEvent("a", "")},
			event:  killEvent("b", nil),
		},
		"a kill before a launch is ignored": {event: killEvent("a", nil)},
		"shutdown stops the executor, also as the first event": {
			event: &executor.Event{Type: executor.Event_SHUTDOWN},
			want:  Decision{Shutdown: true},
		},
		"a heartbeat is ignored": {event: &executor.Event{Type: executor.Event_HEARTBEAT}},
		"a message is passed on": {
			before: []*executor.Event{launchEvent("a", "")},
			event:  &executor.Event{Type: executor.Event_MESSAGE, Message: &executor.Event_Message{Data: []byte("x")}},
			want:   Decision{Message: []byte("x")},
		},
		"a message before a launch is ignored":          {event: &executor.Event{Type: executor.Event_MESSAGE, Message: &executor.Event_Message{Data: []byte("x")}}},
		"a message without content is ignored":          {before: []*executor.Event{launchEvent("a", "")}, event: &executor.Event{Type: executor.Event_MESSAGE}},
		"an unknown type is ignored":                    {event: &executor.Event{Type: 99}},
		"a launch without content is ignored":           {event: &executor.Event{Type: executor.Event_LAUNCH}},
		"a kill without content is ignored":             {event: &executor.Event{Type: executor.Event_KILL}},
		"an acknowledgement without content is ignored": {event: &executor.Event{Type: executor.Event_ACKNOWLEDGED}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			core := NewCore(Identity{FrameworkID: "f", ExecutorID: "e"})
			for _, e := range tc.before {
				core.HandleEvent(e)
			}
			if diff := cmp.Diff(tc.want, core.HandleEvent(tc.event)); diff != "" {
				t.Errorf("decision (-want +got):\n%s", diff)
			}
		})
	}
}

func TestErrorEventIsFailureWithTheAgentsMessage(t *testing.T) {
	d := NewCore(Identity{}).HandleEvent(&executor.Event{Type: executor.Event_ERROR, Error: &executor.Event_Error{Message: "no such framework"}})
	if d.Failure == nil || d.Failure.Error() != "agent refuses this executor: no such framework" {
		t.Errorf("failure is %v", d.Failure)
	}
}

// states of the updates in calls, or in a SUBSCRIBE's unacknowledged ones.
func states(calls ...*executor.Call) []string {
	var got []string
	for _, c := range calls {
		if c.Update != nil {
			got = append(got, c.Update.Status.State.String())
		}
		for _, u := range c.GetSubscribe().GetUnacknowledgedUpdates() {
			got = append(got, u.Status.State.String())
		}
	}
	return got
}

func TestReconnectRepeatsUnacknowledgedUpdates(t *testing.T) {
	now := time.Unix(1_000_000, 0)
	core := NewCore(Identity{FrameworkID: "f", ExecutorID: "e", AgentID: "s"})
	expect := func(what string, want, got any) {
		t.Helper()
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", what, diff)
		}
	}
	core.Update(Report{State: Running, Message: "too early"}, []byte("0"), now)
	expect("settled before any task", true, core.IsFinished())

	core.HandleEvent(launchEvent("a", ""))
	core.Update(Report{State: Starting}, []byte("1"), now)
	core.Update(Report{State: Running, Message: "ready"}, []byte("2"), now)
	expect("never sent", []string{"TASK_STARTING", "TASK_RUNNING"}, states(core.TakeDue(now, time.Second)...))
	expect("just sent", []string(nil), states(core.TakeDue(now, time.Second)...))
	now = now.Add(2 * time.Second)
	expect("sent long ago", []string{"TASK_STARTING", "TASK_RUNNING"}, states(core.TakeDue(now, time.Second)...))

	subscribe := core.Subscribe(now)
	expect("unacknowledged tasks", 1, len(subscribe.Subscribe.UnacknowledgedTasks))
	expect("unacknowledged updates", []string{"TASK_STARTING", "TASK_RUNNING"}, states(subscribe))

	core.HandleEvent(ackEvent("a", "1"))
	core.HandleEvent(ackEvent("a", "unheard of"))
	subscribe = core.Subscribe(now)
	expect("tasks after an acknowledgement", 0, len(subscribe.Subscribe.UnacknowledgedTasks))
	expect("updates after an acknowledgement", []string{"TASK_RUNNING"}, states(subscribe))

	core.Update(Report{State: Killed, Message: "requested"}, []byte("3"), now)
	core.Update(Report{State: Running, Message: "after the end"}, []byte("4"), now)
	expect("terminal but unacknowledged", false, core.IsFinished())
	core.HandleEvent(ackEvent("a", "2"))
	expect("last", []string{"TASK_KILLED"}, states(core.Subscribe(now)))
	core.HandleEvent(ackEvent("a", "3"))
	expect("settled", true, core.IsFinished())
}

func TestStatusNamesTaskAgentAndExecutor(t *testing.T) {
	core := NewCore(Identity{FrameworkID: "f", ExecutorID: "e", AgentID: "s"})
	core.HandleEvent(launchEvent("a", ""))
	core.Update(Report{State: Failed, Message: "kubelet ended"}, []byte("u"), time.Unix(10, 500_000_000))
	call := core.TakeDue(time.Unix(11, 0), time.Second)[0]
	if call.FrameworkID.Value != "f" || call.ExecutorID.Value != "e" {
		t.Errorf("call is of framework %q, executor %q", call.FrameworkID.Value, call.ExecutorID.Value)
	}
	s := call.Update.Status
	want := mesos.TaskStatus{
		TaskID: mesos.TaskID{Value: "a"}, State: mesos.TASK_FAILED.Enum(), Source: mesos.SOURCE_EXECUTOR.Enum(),
		ExecutorID: &mesos.ExecutorID{Value: "e"}, AgentID: &mesos.AgentID{Value: "s"},
		UUID: []byte("u"), Message: new("kubelet ended"), Timestamp: new(10.5),
	}
	if diff := cmp.Diff(want, s); diff != "" {
		t.Errorf("status (-want +got):\n%s", diff)
	}
}

func TestRunningTaskWithAMessageIsUnhealthy(t *testing.T) {
	core := NewCore(Identity{FrameworkID: "f", ExecutorID: "e"})
	core.HandleEvent(&executor.Event{Type: executor.Event_LAUNCH, Launch: &executor.Event_Launch{Task: mesos.TaskInfo{TaskID: mesos.TaskID{Value: "t"}}}})
	now := time.Unix(1_000_000, 0)
	core.Update(Report{State: Starting, Message: "fetching"}, []byte("1"), now)
	core.Update(Report{State: Running}, []byte("2"), now)
	core.Update(Report{State: Running, Message: "kubelet ended"}, []byte("3"), now)
	var got []*bool
	for _, call := range core.TakeDue(now, time.Second) {
		got = append(got, call.Update.Status.Healthy)
	}
	if diff := cmp.Diff([]*bool{nil, new(true), new(false)}, got); diff != "" {
		t.Errorf("health (-want +got):\n%s", diff)
	}
}
