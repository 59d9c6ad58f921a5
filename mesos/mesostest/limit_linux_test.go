package mesostest

import (
	"context"
	"sync"
	"testing"
)

// greedy is a container that needs too much memory as soon as it runs.
type greedy struct {
	once  sync.Once
	ended chan struct{}
}

func (g *greedy) Launch(context.Context, Container) (Process, error) { return g, nil }
func (g *greedy) PID() int                                           { return 1 }
func (g *greedy) Terminate()                                         {}
func (g *greedy) AwaitMemoryLimit() string                           { return "Memory limit exceeded: " }

func (g *greedy) Wait() int {
	<-g.ended
	return 9
}

func (g *greedy) Destroy() error {
	g.once.Do(func() { close(g.ended) })
	return nil
}

func TestContainerEndsAtItsMemoryLimit(t *testing.T) {
	m := startMaster(t, MasterOptions{})
	a := startAgent(t, m, AgentOptions{Launcher: &greedy{ended: make(chan struct{})}})
	s := subscribeScheduler(t, m, frameworkInfo("a"))
	o := s.offerOf(a)
	s.launch(o, 0, commandTask(o, "t", "sleep 1000"))
	failed := s.wantStates("TASK_STARTING", "TASK_RUNNING", "TASK_FAILED")
	if reason := at(failed, "reason"); reason != "REASON_CONTAINER_LIMITATION_MEMORY" {
		t.Errorf("reason is %v", reason)
	}
}
