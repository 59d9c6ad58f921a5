package mesostest

import (
	"testing"
	"time"
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
