package mesostest

import (
	"testing"
	"testing/synctest"
	"time"
)

// virtualCluster is a master, an agent and a scheduler in virtual time.
type virtualCluster struct {
	*testing.T
	network *network
	master  *Master
	agent   *Agent
	*testScheduler
}

// inVirtualTime runs a test with a cluster in virtual time. The scheduler's framework has
// the info, the agent the options.
func inVirtualTime(t *testing.T, info object, o AgentOptions, test func(b *virtualCluster)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b := &virtualCluster{T: t, network: newNetwork()}
		b.master = startMaster(t, MasterOptions{Listener: b.network.listen("127.0.0.1", 5050), AllocationInterval: time.Second})
		if o.Launcher == nil {
			o.Launcher = Func(AutoRun)
		}
		o.Listener = b.network.listen("127.0.0.11", 5051)
		b.agent = startAgent(t, b.master, o)
		b.testScheduler = subscribeThrough(httpClient{t, b.network.client()}, b.master, info)
		test(b)
	})
}

// wantNoUpdates fails if anything but offers and heartbeats comes within the time.
func (b *virtualCluster) wantNoUpdates(d time.Duration) {
	b.Helper()
	timeout := time.After(d)
	for {
		select {
		case event := <-b.events:
			switch event["type"] {
			case "OFFERS":
				b.held = append(b.held, fieldAt(event, "offers", "offers").([]any)...)
			case "HEARTBEAT":
			default:
				b.Errorf("unexpected %v", event)
			}
		case <-timeout:
			return
		}
	}
}
