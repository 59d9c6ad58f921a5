package scheduler_test

import (
	"fmt"
	"testing"
	"time"

	mesos "github.com/mesos/mesos-go/api/v1/lib"
	schedulerpb "github.com/mesos/mesos-go/api/v1/lib/scheduler"

	"github.com/k8sm/k8sm/mesos/scheduler"
)

// settled is a core with so many running tasks, reconciled and at rest.
func settled(b *testing.B, n int) (*scheduler.Core, time.Time) {
	b.Helper()
	cfg := scheduler.Config{Info: scheduler.Info{ID: "F1", Name: "k8sm", Roles: []string{"k8sm"}}}
	for i := range n {
		cfg.Tasks = append(cfg.Tasks, scheduler.Task{ID: fmt.Sprintf("n%d", i), AgentID: fmt.Sprintf("S%d", i), Group: "general", State: scheduler.TaskRunning})
	}
	c, err := scheduler.New(cfg)
	if err != nil {
		b.Fatal(err)
	}
	c.Tick(epoch)
	c.Step(epoch, &schedulerpb.Event{Type: schedulerpb.Event_SUBSCRIBED, Subscribed: &schedulerpb.Event_Subscribed{FrameworkID: &mesos.FrameworkID{Value: "F1"}}})
	for i := range n {
		c.Step(epoch, running(i, ""))
	}
	if !c.State().Reconciled {
		b.Fatal("not reconciled")
	}
	c.Ready()
	c.Advance()
	return c, epoch
}

func running(i int, uuid string) *schedulerpb.Event {
	return &schedulerpb.Event{Type: schedulerpb.Event_UPDATE, Update: &schedulerpb.Event_Update{Status: mesos.TaskStatus{
		TaskID: mesos.TaskID{Value: fmt.Sprintf("n%d", i)}, AgentID: &mesos.AgentID{Value: fmt.Sprintf("S%d", i)},
		State: mesos.TASK_RUNNING.Enum(), UUID: []byte(uuid),
	}}}
}

// BenchmarkUpdate is one update, recorded and acknowledged: it must cost the same
// whatever the number of tasks.
func BenchmarkUpdate(b *testing.B) {
	for _, n := range []int{1000, 100000} {
		b.Run(fmt.Sprintf("tasks=%d", n), func(b *testing.B) {
			c, now := settled(b, n)
			e := running(7, "u1")
			for b.Loop() {
				now = now.Add(time.Millisecond)
				c.Step(now, e)
				c.Recorded(now, "n7", nil)
				if r := c.Ready(); len(r.Calls) == 0 {
					b.Fatal("not acknowledged")
				}
				c.Advance()
			}
		})
	}
}

// BenchmarkRestart10000 is from SUBSCRIBED to the first decision with 10,000 tasks.
func BenchmarkRestart10000(b *testing.B) {
	for b.Loop() {
		settled(b, 10000)
	}
}

// BenchmarkRest is a minute of 5,000 tasks at which nothing happens.
func BenchmarkRest(b *testing.B) {
	c, now := settled(b, 5000)
	heartbeat := &schedulerpb.Event{Type: schedulerpb.Event_HEARTBEAT}
	for b.Loop() {
		for range 4 {
			now = now.Add(15 * time.Second)
			c.Step(now, heartbeat)
			for w := c.NextTick(); !w.IsZero() && !w.After(now); w = c.NextTick() {
				c.Tick(now)
			}
		}
		c.Ready()
		c.Advance()
	}
}
