package mesostest

import (
	"context"
	"os"
	"path/filepath"
	"sync"
	"testing"
)

func TestOOMIsCountedInTheContainersEvents(t *testing.T) {
	for events, want := range map[string]bool{
		"low 0\nmax 12\noom 0\noom_kill 0\n": false,
		"low 0\nmax 12\noom 1\noom_kill 1\n": true,
		"":                                   false,
	} {
		g := &cgroup{paths: []string{t.TempDir()}, unified: true}
		if err := os.WriteFile(filepath.Join(g.paths[0], "memory.events"), []byte(events), 0o644); err != nil {
			t.Fatal(err)
		}
		if g.oomed() != want {
			t.Errorf("an oom is counted in %q: want %t", events, want)
		}
	}
	if (&cgroup{paths: []string{t.TempDir()}}).oomed() || (*cgroup)(nil).oomed() {
		t.Error("version 1, or no cgroup at all, has no such events")
	}
}

// greedy is a container that needs too much memory as soon as it runs.
type greedy struct {
	once  sync.Once
	ended chan struct{}
}

func (g *greedy) Launch(context.Context, Container) (Process, error) { return g, nil }
func (g *greedy) PID() int                                           { return 1 }
func (g *greedy) Terminate()                                         {}
func (g *greedy) exceeded() string                                   { return "Memory limit exceeded: " }

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
