package mesostest

import (
	"context"
	"sync"
	"testing"
)

// overLimitContainer is a container that needs too much memory as soon as it runs.
type overLimitContainer struct {
	once  sync.Once
	ended chan struct{}
}

func (g *overLimitContainer) Launch(context.Context, Container) (Process, error) { return g, nil }
func (g *overLimitContainer) PID() int                                           { return 1 }
func (g *overLimitContainer) Terminate()                                         {}
func (g *overLimitContainer) AwaitMemoryLimit() string                           { return "Memory limit exceeded: " }

func (g *overLimitContainer) Wait() int {
	<-g.ended
	return 9
}

func (g *overLimitContainer) Destroy() error {
	g.once.Do(func() { close(g.ended) })
	return nil
}

func TestContainerEndsAtItsMemoryLimit(t *testing.T) {
	m := startMaster(t, MasterOptions{})
	a := startAgent(t, m, AgentOptions{Launcher: &overLimitContainer{ended: make(chan struct{})}})
	s := subscribeScheduler(t, m, frameworkInfo("a"))
	o := s.offerOf(a)
	s.launch(o, 0, commandTask(o, "t", "sleep 1000"))
	failed := s.wantStates("TASK_STARTING", "TASK_RUNNING", "TASK_FAILED")
	if reason := fieldAt(failed, "reason"); reason != "REASON_CONTAINER_LIMITATION_MEMORY" {
		t.Errorf("reason is %v", reason)
	}
}
