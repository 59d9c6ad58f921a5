package mesostest

import (
	"context"
	"errors"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	mesos "github.com/mesos/mesos-go/api/v1/lib"

	"github.com/k8sm/k8sm/mesos/mesostest/internal/codec"
)

func TestExecutorOutlivesItsAgent(t *testing.T) {
	inVirtualTime(t, frameworkInfo("a"), AgentOptions{}, func(b *virtualCluster) {
		b.runTask("t")
		offer := b.offerOf(b.agent)
		began := time.Now()
		b.agent.Restart(3 * time.Second)
		if id := fieldAt(b.next("RESCIND"), "rescind", "offer_id", "value"); id != fieldAt(offer, "id", "value") {
			b.Errorf("rescinded %v, want %v", id, offer)
		}
		b.offerOf(b.agent)
		if away := time.Since(began); away < 5*time.Second {
			b.Errorf("registered after %s, before it had waited for executors", away)
		}
		b.kill("t")
		b.wantStates("TASK_KILLED")
	})
}

func TestStoppedAgentGetsKillsButNoMessages(t *testing.T) {
	messages := make(chan string, 10)
	executor := func(ctx context.Context, x *Conn) error {
		return eachEvent(ctx, x, mesos.TASK_RUNNING, func(data []byte) { messages <- string(data) })
	}
	inVirtualTime(t, frameworkInfo("a"), AgentOptions{Launcher: Func(executor)}, func(b *virtualCluster) {
		b.runTask("t")
		b.agent.Stop()
		b.kill("t")
		b.call("MESSAGE", object{"message": object{
			"agent_id": value(b.agent.ID()), "executor_id": value("t"), "data": []byte("lost"),
		}})
		b.wantNoUpdates(10 * time.Second)
		b.agent.Start()
		b.wantStates("TASK_KILLED")
		if len(messages) > 0 {
			b.Errorf("got the message %s", <-messages)
		}
	})
}

func TestUpdateWaitsForTheAgent(t *testing.T) {
	down, sent := make(chan struct{}), make(chan struct{})
	executor := func(ctx context.Context, x *Conn) error {
		id := mesos.TaskID{Value: "t"}
		if err := report(ctx, x, id, mesos.TASK_RUNNING); err != nil {
			return err
		}
		<-down
		finished := mesos.TASK_FINISHED
		if err := x.Update(mesos.TaskStatus{TaskID: id, State: &finished}); err != nil {
			return err
		}
		close(sent)
		return eachEvent(ctx, x, mesos.TASK_RUNNING, nil)
	}
	inVirtualTime(t, frameworkInfo("a"), AgentOptions{Launcher: Func(executor)}, func(b *virtualCluster) {
		down, sent = make(chan struct{}), make(chan struct{}) // of this bubble
		b.runTask("t")
		b.agent.Stop()
		close(down)
		<-sent
		b.wantNoUpdates(time.Minute)
		b.agent.Start()
		first := fieldAt(b.next("UPDATE"), "update", "status").(object)
		second := fieldAt(b.next("UPDATE"), "update", "status").(object)
		if first["state"] != "TASK_FINISHED" || first["uuid"] != second["uuid"] {
			b.Errorf("got %v and %v, want TASK_FINISHED twice", first, second)
		}
	})
}

func TestTasksThatEndWithTheirAgent(t *testing.T) {
	withoutCheckpoint := frameworkInfo("a")
	withoutCheckpoint["checkpoint"] = false
	hanging := Func(func(ctx context.Context, x *Conn) error {
		if err := report(ctx, x, mesos.TaskID{Value: "t"}, mesos.TASK_RUNNING); err != nil {
			return err
		}
		<-ctx.Done()
		return ctx.Err()
	})
	for name, test := range map[string]struct {
		info     object
		launcher Func
		away     time.Duration
		state    string
		reason   string
	}{
		"the executor hangs and does not subscribe in time": {
			launcher: hanging, away: time.Second,
			state: "TASK_GONE", reason: "REASON_EXECUTOR_REREGISTRATION_TIMEOUT",
		},
		"the executor gives up at the recovery timeout": {
			away:  6 * time.Second,
			state: "TASK_FAILED", reason: "REASON_EXECUTOR_TERMINATED",
		},
		"the framework has no checkpoint": {
			info: withoutCheckpoint, away: time.Second,
			state: "TASK_LOST", reason: "REASON_AGENT_DISCONNECTED",
		},
	} {
		t.Run(name, func(t *testing.T) {
			if test.info == nil {
				test.info = frameworkInfo("a")
			}
			o := AgentOptions{RecoveryTimeout: 4 * time.Second}
			if test.launcher != nil {
				o.Launcher = test.launcher
			}
			inVirtualTime(t, test.info, o, func(b *virtualCluster) {
				b.runTask("t")
				b.agent.Restart(test.away)
				got := b.wantStates(test.state)
				if diff := cmp.Diff(test.reason, got["reason"]); diff != "" {
					b.Errorf("reason (-want +got):\n%s", diff)
				}
				time.Sleep(test.away + time.Minute)
				if n := b.agent.Containers(); n != 0 {
					b.Errorf("%d containers are left", n)
				}
			})
		})
	}
}

func TestReboot(t *testing.T) {
	inVirtualTime(t, frameworkInfo("a"), AgentOptions{}, func(b *virtualCluster) {
		b.runTask("t")
		id := b.agent.ID()
		b.agent.Reboot(5 * time.Second)
		time.Sleep(time.Second)
		b.wantNoUpdates(5 * time.Second)
		failed := b.wantStates("TASK_FAILED")
		if failed["reason"] != "REASON_EXECUTOR_TERMINATED" || fieldAt(failed, "agent_id", "value") != id {
			b.Errorf("got %v", failed)
		}
		b.runTask("u")
		if b.agent.ID() != id {
			b.Errorf("the agent is now %s, it was %s", b.agent.ID(), id)
		}
	})
}

func TestLaunchesLostByARestart(t *testing.T) {
	for name, test := range map[string]struct {
		launcher Launcher
		message  string
	}{
		"the executor had not subscribed": {
			launcher: &slowLauncher{Func: AutoRun, by: time.Second},
			message:  "Reconciliation: task unknown to the agent",
		},
		"the executor had subscribed and had not read LAUNCH": {
			launcher: Func(func(ctx context.Context, x *Conn) error {
				time.Sleep(time.Second)
				return AutoRun(ctx, x)
			}),
			message: "Task launched during agent restart",
		},
	} {
		t.Run(name, func(t *testing.T) {
			inVirtualTime(t, frameworkInfo("a"), AgentOptions{Launcher: test.launcher}, func(b *virtualCluster) {
				offer := b.offerOf(b.agent)
				b.launch(offer, 0, executorTask(offer, "t", ""))
				time.Sleep(100 * time.Millisecond)
				b.agent.Restart(100 * time.Millisecond)
				dropped := b.wantStates("TASK_DROPPED")
				if dropped["message"] != test.message {
					b.Errorf("got %v, want the message %s", dropped, test.message)
				}
			})
		})
	}
}

func TestAgentAPIAroundARestart(t *testing.T) {
	inVirtualTime(t, frameworkInfo("a"), AgentOptions{Launcher: newScriptedLauncher()}, func(b *virtualCluster) {
		offer := b.offerOf(b.agent)
		b.launch(offer, 0, executorTask(offer, "e", "executor"))
		url := "http://" + b.agent.Addr() + pathExecutor
		call := func(kind string, fields object) object {
			fields["type"], fields["executor_id"], fields["framework_id"] = kind, value("e"), value(b.frameworkID)
			return fields
		}
		update := call("UPDATE", object{"update": object{"status": object{
			"task_id": value("e"), "state": "TASK_RUNNING", "source": "SOURCE_EXECUTOR", "uuid": validUUID(),
		}}})
		status := func(body object) int {
			response := b.httpClient.post(url, nil, body)
			response.Body.Close()
			return response.StatusCode
		}
		time.Sleep(time.Second)
		before := b.httpClient.subscribe(url, nil, call("SUBSCRIBE", object{"subscribe": object{}}))
		before.next("LAUNCH")
		b.agent.Stop()
		for event := range before.events {
			b.Errorf("unexpected %v", event)
		}
		if response, err := b.httpClient.client.Post(url, codec.MediaJSON, http.NoBody); err == nil {
			response.Body.Close()
			b.Errorf("an agent that is down answered %s", response.Status)
		} else if !errors.Is(err, io.EOF) {
			b.Error(err)
		}
		b.agent.Start()
		if got := status(update); got != http.StatusServiceUnavailable {
			b.Errorf("an UPDATE before the SUBSCRIBE got %d", got)
		}
		after := b.httpClient.subscribe(url, nil, call("SUBSCRIBE", object{"subscribe": object{
			"unacknowledged_tasks": []object{executorTask(offer, "e", "executor")},
		}}))
		after.next("SUBSCRIBED")
		if got := status(update); got != http.StatusServiceUnavailable {
			b.Errorf("an UPDATE before the end of recovery got %d", got)
		}
		time.Sleep(3 * time.Second)
		if got := status(update); got != http.StatusAccepted {
			b.Errorf("an UPDATE after recovery got %d", got)
		}
		after.next("ACKNOWLEDGED")
		b.wantStates("TASK_RUNNING")
	})
}

// slowLauncher takes its time.
type slowLauncher struct {
	Func
	by time.Duration
}

func (l *slowLauncher) Launch(ctx context.Context, c Container) (Process, error) {
	select {
	case <-time.After(l.by):
		return l.Func.Launch(ctx, c)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// runTask launches a task and sees it run.
func (b *virtualCluster) runTask(id string) {
	b.Helper()
	offer := b.offerOf(b.agent)
	b.launch(offer, 0, executorTask(offer, id, ""))
	for b.update()["state"] != "TASK_RUNNING" {
	}
}

// report waits for the first task, and sends its state.
func report(ctx context.Context, x *Conn, id mesos.TaskID, state mesos.TaskState) error {
	for {
		event, err := x.Next(ctx)
		if err != nil {
			return err
		}
		if len(LaunchedTasks(event)) > 0 {
			return x.Update(mesos.TaskStatus{TaskID: id, State: &state})
		}
	}
}

// eachEvent is an executor that sends the state of each task, and kills it at
// KILL.
func eachEvent(ctx context.Context, x *Conn, first mesos.TaskState, message func([]byte)) error {
	for {
		event, err := x.Next(ctx)
		if err != nil {
			return err
		}
		for _, task := range LaunchedTasks(event) {
			_ = x.Update(mesos.TaskStatus{TaskID: task.TaskID, State: &first})
		}
		if k := event.GetKill(); k != nil {
			killed := mesos.TASK_KILLED
			_ = x.Update(mesos.TaskStatus{TaskID: k.TaskID, State: &killed})
		}
		if data := event.GetMessage().GetData(); data != nil && message != nil {
			message(data)
		}
	}
}
