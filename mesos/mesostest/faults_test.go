package mesostest

import (
	"testing"
	"time"
)

func TestFrozenMaster(t *testing.T) {
	inVirtualTime(t, frameworkInfo("a"), AgentOptions{}, func(b *virtualCluster) {
		b.offerOf(b.agent)
		b.drain(time.Second)
		b.master.Inject(func(f *Faults) { f.Frozen = true })
		b.agent.Disconnect()
		answered := make(chan int)
		go func() { answered <- b.call("REVIVE", nil) }()
		if events := b.drain(time.Hour); len(events) > 0 {
			t.Errorf("got %v", events)
		}
		select {
		case status := <-answered:
			t.Errorf("got %d", status)
		default:
		}
		b.master.Inject(func(f *Faults) { f.Frozen = false })
		b.next("RESCIND")
		if status := <-answered; status != 202 {
			t.Errorf("got %d after it", status)
		}
	})
}

func TestFrozenMasterIsKilled(t *testing.T) {
	inMasterCluster(t, MasterOptions{}, func(b *masterCluster) {
		b.masters.Leader().Inject(func(f *Faults) { f.Frozen = true })
		b.masters.Kill(0)
		b.s.drain(time.Minute) // fails unless it ends
		b.masters.Elect(1)
		b.resubscribe()
	})
}

func TestLoseCallsDropsCalls(t *testing.T) {
	inVirtualTime(t, frameworkInfo("a"), AgentOptions{}, func(b *virtualCluster) {
		b.offerOf(b.agent)
		b.drain(time.Second)
		ask := func() int {
			return b.call("RECONCILE", object{"reconcile": object{"tasks": []any{object{"task_id": value("t"), "agent_id": value("unknown")}}}})
		}
		b.master.Inject(func(f *Faults) { f.LoseCalls = func(call string) bool { return call == "RECONCILE" } })
		if status := ask(); status != 202 {
			t.Errorf("got %d", status)
		}
		if events := b.drain(time.Second); len(events) > 0 {
			t.Errorf("got %v", events)
		}
		b.master.Inject(func(f *Faults) { f.LoseCalls = nil })
		ask()
		b.next("UPDATE")
	})
}

func TestLostHeartbeats(t *testing.T) {
	heartbeats := func(b *virtualCluster) int {
		n := 0
		for _, event := range b.drain(time.Minute) {
			if event["type"] == "HEARTBEAT" {
				n++
			}
		}
		return n
	}
	inVirtualTime(t, frameworkInfo("a"), AgentOptions{}, func(b *virtualCluster) {
		if n := heartbeats(b); n < 4 {
			t.Errorf("got %d in a minute", n)
		}
		b.master.Inject(func(f *Faults) { f.DropEvents = func(event string) bool { return event == "HEARTBEAT" } })
		b.drain(time.Second) // of one that is out
		if n := heartbeats(b); n > 0 {
			t.Errorf("got %d in spite of the fault", n)
		}
	})
}
