package mesostest

import (
	"context"
	"errors"
	"io"
	"testing"
	"time"

	mesos "github.com/mesos/mesos-go/api/v1/lib"
	"github.com/mesos/mesos-go/api/v1/lib/executor"

	"github.com/k8sm/k8sm/mesos/mesostest/internal/events"
)

func taskWithID(id string) mesos.TaskInfo { return mesos.TaskInfo{TaskID: mesos.TaskID{Value: id}} }

func TestLaunchedTasks(t *testing.T) {
	for name, test := range map[string]struct {
		event *executor.Event
		want  []string
	}{
		"LAUNCH":       {events.Launch(taskWithID("a")), []string{"a"}},
		"LAUNCH_GROUP": {events.LaunchGroup([]mesos.TaskInfo{taskWithID("a"), taskWithID("b")}), []string{"a", "b"}},
		"KILL":         {events.Kill("a", nil), nil},
		"SHUTDOWN":     {events.Shutdown, nil},
	} {
		t.Run(name, func(t *testing.T) {
			got := LaunchedTasks(test.event)
			if len(got) != len(test.want) {
				t.Fatalf("got %v, want %v", got, test.want)
			}
			for i, id := range test.want {
				if got[i].TaskID.Value != id {
					t.Errorf("got %v, want %v", got, test.want)
				}
			}
		})
	}
}

// An executor sees SUBSCRIBED, its task, and the acknowledgement of its update; what it
// leaves out of the update is filled in.
func TestConnOfAnExecutor(t *testing.T) {
	var seen []executor.Event_Type
	launcher := Func(func(ctx context.Context, x *Conn) error {
		for {
			event, err := x.Next(ctx)
			if err != nil {
				return err
			}
			seen = append(seen, event.Type)
			switch event.Type {
			case executor.Event_LAUNCH:
				if err := x.Update(mesos.TaskStatus{TaskID: event.Launch.Task.TaskID}); err == nil {
					t.Error("an update without a state was sent")
				}
				if err := x.Update(mesos.TaskStatus{TaskID: event.Launch.Task.TaskID, State: mesos.TASK_FINISHED.Enum()}); err != nil {
					t.Error(err)
				}
				x.Message([]byte("done"))
			case executor.Event_ACKNOWLEDGED:
				return nil
			}
		}
	})
	inVirtualTime(t, frameworkInfo("a"), AgentOptions{Launcher: launcher}, func(b *virtualCluster) {
		offer := b.offerOf(b.agent)
		b.launch(offer, 0, executorTask(offer, "t", "executor"))
		status := b.wantStates("TASK_FINISHED")
		if status["source"] != "SOURCE_EXECUTOR" || fieldAt(status, "executor_id", "value") != "t" || status["timestamp"] == nil {
			b.Errorf("got %v", status)
		}
		if data := fieldAt(b.next("MESSAGE"), "message", "data"); data != "ZG9uZQ==" {
			b.Errorf("the message is %v", data)
		}
		if got := fieldAt(b.next("FAILURE"), "failure", "status"); got != 0.0 {
			b.Errorf("it exited with %v", got)
		}
		want := []executor.Event_Type{executor.Event_SUBSCRIBED, executor.Event_LAUNCH, executor.Event_ACKNOWLEDGED}
		if len(seen) != len(want) || seen[0] != want[0] || seen[1] != want[1] || seen[2] != want[2] {
			b.Errorf("got %v, want %v", seen, want)
		}
	})
}

func TestConnEndsWithItsContainer(t *testing.T) {
	ended := make(chan error, 1)
	launcher := Func(func(ctx context.Context, x *Conn) error {
		for {
			if _, err := x.Next(ctx); err != nil {
				ended <- err
				return err
			}
		}
	})
	inVirtualTime(t, frameworkInfo("a"), AgentOptions{Launcher: launcher}, func(b *virtualCluster) {
		offer := b.offerOf(b.agent)
		b.launch(offer, 0, executorTask(offer, "t", "executor"))
		time.Sleep(time.Second)
		b.call("TEARDOWN", nil)
		time.Sleep(time.Minute)
		if err := <-ended; !errors.Is(err, context.Canceled) && !errors.Is(err, io.EOF) {
			b.Errorf("got %v", err)
		}
	})
}

func TestAutoRunExits(t *testing.T) {
	for name, test := range map[string]struct {
		tasks []string
		end   func(b *virtualCluster)
		want  []string
	}{
		"after KILL of its only task": {
			[]string{"a"},
			func(b *virtualCluster) { b.kill("a") },
			[]string{"TASK_KILLED"},
		},
		"after KILL of its last task": {
			[]string{"a", "b"},
			func(b *virtualCluster) { b.kill("b"); b.kill("a") },
			[]string{"TASK_KILLED", "TASK_KILLED"},
		},
		"after SHUTDOWN": {
			[]string{"a"},
			func(b *virtualCluster) {
				b.call("SHUTDOWN", object{"shutdown": object{"executor_id": value("a"), "agent_id": value(b.agent.ID())}})
			},
			[]string{"TASK_FAILED"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			inVirtualTime(t, frameworkInfo("a"), AgentOptions{}, func(b *virtualCluster) {
				offer := b.offerOf(b.agent)
				var tasks []object
				for _, id := range test.tasks {
					task := executorTask(offer, id, "executor")
					task["executor"] = executorTask(offer, test.tasks[0], "executor")["executor"]
					tasks = append(tasks, task)
				}
				b.launch(offer, 0, tasks...)
				for range 2 * len(test.tasks) {
					b.update()
				}
				if n := b.agent.Containers(); n != 1 {
					b.Errorf("%d containers run, want 1", n)
				}
				test.end(b)
				b.wantStates(test.want...)
				time.Sleep(time.Second)
				if n := b.agent.Containers(); n != 0 {
					b.Errorf("%d containers are left", n)
				}
			})
		})
	}
}
