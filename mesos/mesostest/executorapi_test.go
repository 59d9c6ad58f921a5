package mesostest

import (
	"encoding/base64"
	"maps"
	"net/http"
	"reflect"
	"testing"
	"time"

	"github.com/k8sm/k8sm/mesos/mesostest/internal/naming"
)

// subscribeExecutor subscribes as the executor, by hand.
func (b *virtualCluster) subscribeExecutor(id string) *subscription {
	b.Helper()
	return b.httpClient.subscribe("http://"+b.agent.Addr()+pathExecutor, nil, object{
		"type": "SUBSCRIBE", "executor_id": value(id), "framework_id": value(b.frameworkID), "subscribe": object{},
	})
}

func TestExecutorHeartbeatInterval(t *testing.T) {
	inVirtualTime(t, frameworkInfo("a"), AgentOptions{Launcher: newScriptedLauncher()}, func(b *virtualCluster) {
		offer := b.offerOf(b.agent)
		b.launch(offer, 0, executorTask(offer, "e", "executor"))
		time.Sleep(time.Second)
		x := b.subscribeExecutor("e")
		x.next("LAUNCH")
		time.Sleep(29 * time.Minute)
		if len(x.events) > 0 {
			b.Errorf("unexpected %v", <-x.events)
		}
		time.Sleep(2 * time.Minute)
		x.next("HEARTBEAT")
	})
}

func TestExecutorThatIsToEndGetsShutdownAgain(t *testing.T) {
	inVirtualTime(t, frameworkInfo("a"), AgentOptions{Launcher: newScriptedLauncher()}, func(b *virtualCluster) {
		offer := b.offerOf(b.agent)
		b.launch(offer, 0, executorTask(offer, "e", "executor"))
		time.Sleep(time.Second)
		first := b.subscribeExecutor("e")
		first.next("LAUNCH")
		b.call("SHUTDOWN", object{"shutdown": object{"executor_id": value("e"), "agent_id": value(b.agent.ID())}})
		first.next("SHUTDOWN")
		again := b.subscribeExecutor("e")
		again.next("SHUTDOWN")
		if event, more := <-again.events; more {
			b.Errorf("unexpected %v", event)
		}
	})
}

// updateFor posts a status update of an executor, about any task.
func (b *virtualCluster) updateFor(executorID, taskID, state string, more object) int {
	b.Helper()
	u := naming.NewUUID()
	status := object{"task_id": value(taskID), "state": state, "source": "SOURCE_EXECUTOR", "uuid": base64.StdEncoding.EncodeToString(u[:])}
	maps.Copy(status, more)
	response := b.httpClient.post("http://"+b.agent.Addr()+pathExecutor, nil, object{
		"type": "UPDATE", "executor_id": value(executorID), "framework_id": value(b.frameworkID), "update": object{"status": status},
	})
	response.Body.Close()
	return response.StatusCode
}

// A real agent checks that an executor is one of its own, and which agent the update names.
// It does not check whose the task is.
func TestUpdatesAboutOtherTasksArePassedOn(t *testing.T) {
	inVirtualTime(t, frameworkInfo("a"), AgentOptions{Launcher: newScriptedLauncher()}, func(b *virtualCluster) {
		offer := b.offerOf(b.agent)
		b.launch(offer, 0, executorTask(offer, "e", "executor"))
		time.Sleep(time.Second)
		b.subscribeExecutor("e").next("LAUNCH")

		for name, more := range map[string]object{"with its ID": {"executor_id": value("e")}, "without an ID": {}} {
			if code := b.updateFor("e", "other", "TASK_FAILED", more); code != http.StatusAccepted {
				b.Fatalf("%s: status %d", name, code)
			}
			status := b.update()
			if id, want := fieldAt(status, "executor_id"), more["executor_id"]; !reflect.DeepEqual(id, want) {
				b.Errorf("%s: the update is of executor %v, want %v", name, id, want)
			}
			if fieldAt(status, "task_id", "value") != "other" || fieldAt(status, "source") != "SOURCE_EXECUTOR" || fieldAt(status, "agent_id", "value") != b.agent.ID() {
				b.Errorf("%s: unexpected %v", name, status)
			}
			b.wantNoUpdates(time.Minute)
		}

		b.updateFor("e", "e", "TASK_RUNNING", object{"executor_id": value("e"), "agent_id": value("S9")})
		b.wantNoUpdates(time.Minute)
	})
}

// The master believes the last state that it passed on, from whatever agent it came. It frees
// nothing of a task that is on another agent.
func TestMasterRepeatsWhatAnotherAgentReported(t *testing.T) {
	inVirtualTime(t, frameworkInfo("a"), AgentOptions{Launcher: newScriptedLauncher()}, func(b *virtualCluster) {
		offer := b.offerOf(b.agent)
		b.launch(offer, 0, executorTask(offer, "e", "executor"))
		time.Sleep(time.Second)
		b.subscribeExecutor("e").next("LAUNCH")
		second := startAgent(b.T, b.master, AgentOptions{Launcher: Func(AutoRun), Listener: b.network.listen("127.0.0.12", 5051)})
		offer = b.offerOf(second)
		b.launch(offer, 0, executorTask(offer, "victim", ""))
		b.wantStates("TASK_STARTING", "TASK_RUNNING")

		b.updateFor("e", "victim", "TASK_FAILED", object{"executor_id": value("e")})
		b.wantStates("TASK_FAILED")
		b.call("RECONCILE", object{"reconcile": object{"tasks": []object{{"task_id": value("victim"), "agent_id": value(second.ID())}}}})
		if status := b.update(); fieldAt(status, "state") != "TASK_FAILED" || fieldAt(status, "source") != "SOURCE_MASTER" {
			b.Errorf("the master answers %v", status)
		}
		if second.Containers() != 1 {
			b.Error("the task's container has ended")
		}
	})
}
