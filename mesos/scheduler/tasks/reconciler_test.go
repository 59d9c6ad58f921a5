package tasks_test

import (
	"slices"
	"testing"
	"time"

	"github.com/k8sm/k8sm/mesos/scheduler/outgoing"
	"github.com/k8sm/k8sm/mesos/scheduler/tasks"
	"github.com/k8sm/k8sm/mesos/scheduler/timers"
)

// newReconciler returns a reconciler and some tasks on agent S1.
func newReconciler(ids ...string) (*tasks.Reconciler, []*tasks.Task, *timers.Queue) {
	s, _, clock := newSet()
	for _, id := range ids {
		s.Restore(id, "S1", "general", tasks.Running)
	}
	cfg := tasks.ReconcilerConfig{Delay: timers.Backoff{Initial: 5 * time.Second, Max: time.Minute}, Timeout: 30 * time.Second, Interval: 15 * time.Minute}
	return tasks.NewReconciler(cfg, clock), s.All(), clock
}

func refsOf(refs []outgoing.TaskRef) []string {
	var out []string
	for _, r := range refs {
		out = append(out, r.TaskID+"@"+r.AgentID)
	}
	return out
}

func TestANewStreamAsksAboutAllTasksInOneRound(t *testing.T) {
	t.Parallel()
	r, all, clock := newReconciler("n2", "n1")
	if n := r.Begin(start, all); n != 2 || r.Awaited() != 2 {
		t.Errorf("%d tasks are awaited", n)
	}
	if got := refsOf(r.TakeRound()); !slices.Equal(got, []string{"n1@S1", "n2@S1"}) {
		t.Errorf("asked about are %v", got)
	}
	if got := r.TakeRound(); len(got) > 0 {
		t.Errorf("asked twice about %v", got)
	}
	if !clock.Has(timers.ReconcileTimeout, "") || !clock.Has(timers.ReconcileTask, "n1") || !clock.Next().Equal(after(5*time.Second)) {
		t.Errorf("the next round is at %s", clock.Next())
	}
	r.Finish()
	if clock.Has(timers.ReconcileTimeout, "") {
		t.Error("the timeout runs on")
	}
}

func TestReconciliationWithoutTasksEndsAtOnce(t *testing.T) {
	t.Parallel()
	r, _, clock := newReconciler()
	if n := r.Begin(start, nil); n != 0 || clock.Len() > 0 || len(r.TakeRound()) > 0 {
		t.Errorf("%d tasks are awaited, %d timers run", n, clock.Len())
	}
}

func TestTheLastAnswerEndsReconciliation(t *testing.T) {
	t.Parallel()
	r, all, _ := newReconciler("n1", "n2")
	r.Begin(start, all)
	if r.Heard(start, all[0], tasks.Running) {
		t.Error("the first of two answers is the last")
	}
	if r.Heard(start, all[0], tasks.Running) || r.Awaited() != 1 {
		t.Errorf("a second answer for the same task counts: %d are awaited", r.Awaited())
	}
	if !r.Heard(start, all[1], tasks.Unreachable) || r.Awaited() != 0 {
		t.Error("the last answer is not noticed")
	}
	if r.Heard(start, all[1], tasks.Running) {
		t.Error("reconciliation ends twice")
	}
	if r.Begin(start, all) != 2 || r.Heard(start, all[0], tasks.Running) || !r.Heard(start, all[1], tasks.Running) {
		t.Error("on the next stream the count is wrong")
	}
}

func TestWhenTheMasterIsAskedAgain(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		do   func(r *tasks.Reconciler, task *tasks.Task)
		want time.Duration // after start; zero for never
	}{
		"without an answer the task is asked for again": {
			do:   func(r *tasks.Reconciler, task *tasks.Task) { r.Ask(start, task) },
			want: 5 * time.Second,
		},
		"the delay grows without an answer": {
			do: func(r *tasks.Reconciler, task *tasks.Task) {
				for range 10 {
					r.Ask(start, task)
				}
			},
			want: time.Minute,
		},
		"an answer resets the delay": {
			do: func(r *tasks.Reconciler, task *tasks.Task) {
				for range 10 {
					r.Ask(start, task)
				}
				r.Heard(start, task, tasks.Running)
				r.Ask(start, task)
			},
			want: 5 * time.Second,
		},
		"a certain state is not asked for again": {
			do: func(r *tasks.Reconciler, task *tasks.Task) {
				r.Ask(start, task)
				r.Heard(start, task, tasks.Running)
			},
		},
		"an uncertain state is asked for again": {
			do: func(r *tasks.Reconciler, task *tasks.Task) {
				r.Ask(start, task)
				r.Heard(start, task, tasks.Unreachable)
			},
			want: 15 * time.Minute,
		},
		"an uncertain record is not asked for again after the master's answer": {
			do: func(r *tasks.Reconciler, task *tasks.Task) {
				task.Recorded(start, tasks.Lost)
				r.Ask(start, task)
			},
			want: 15 * time.Minute,
		},
		"an uncertain record is asked for on a new stream": {
			do: func(r *tasks.Reconciler, task *tasks.Task) {
				task.Recorded(start, tasks.Lost)
				r.Begin(start, []*tasks.Task{task})
			},
			want: 5 * time.Second,
		},
		"an ended task is not asked for": {
			do: func(r *tasks.Reconciler, task *tasks.Task) {
				task.Recorded(start, tasks.Failed)
				r.Ask(start, task)
			},
		},
		"a failure makes the task be asked for soon": {
			do:   func(r *tasks.Reconciler, task *tasks.Task) { r.AskSoon(after(time.Second), task.ID) },
			want: time.Second,
		},
		"a failure does not postpone the question": {
			do: func(r *tasks.Reconciler, task *tasks.Task) {
				r.Ask(start, task)
				r.AskSoon(after(time.Hour), task.ID)
			},
			want: 5 * time.Second,
		},
		"a launched task is asked for after the launch timeout": {
			do:   func(r *tasks.Reconciler, task *tasks.Task) { r.AskUnlessHeard(after(30*time.Second), task.ID) },
			want: 30 * time.Second,
		},
		"a task whose launch was given up is not asked for": {
			do: func(r *tasks.Reconciler, task *tasks.Task) {
				r.AskUnlessHeard(after(30*time.Second), task.ID)
				r.StopAsking(task.ID)
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, all, clock := newReconciler("n1")
			tc.do(r, all[0])
			next := clock.Next()
			if tc.want == 0 && !next.IsZero() {
				t.Errorf("it is asked again after %s", next.Sub(start))
			}
			if tc.want > 0 && (!clock.Has(timers.ReconcileTask, "n1") || !next.Equal(after(tc.want))) {
				t.Errorf("it is asked again after %s, want %s", next.Sub(start), tc.want)
			}
		})
	}
}

func TestTaskThatIsOverIsInNoRound(t *testing.T) {
	t.Parallel()
	r, all, _ := newReconciler("n1")
	all[0].Recorded(start, tasks.Failed)
	r.Ask(start, all[0])
	if got := r.TakeRound(); len(got) > 0 {
		t.Errorf("asked about is %v", got)
	}
}
