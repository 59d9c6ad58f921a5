package tasks_test

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/k8sm/k8sm/mesos/scheduler/capacity"
	"github.com/k8sm/k8sm/mesos/scheduler/tasks"
	"github.com/k8sm/k8sm/mesos/scheduler/timers"
)

var start = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func after(d time.Duration) time.Time { return start.Add(d) }

func newSet() (*tasks.Set, *capacity.Occupancy, *timers.Queue) {
	occupancy, clock := capacity.NewOccupancy(), timers.NewQueue()
	return tasks.NewSet(occupancy, clock), occupancy, clock
}

func idsOf(ts []*tasks.Task) []string {
	var out []string
	for _, t := range ts {
		out = append(out, t.ID)
	}
	return out
}

func TestTasksAreCountedWhereTheyRun(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		do   func(*tasks.Set)
		want map[string]int // by agent
	}{
		"a restored task counts on its agent": {
			do:   func(s *tasks.Set) { s.Restore("n1", "S1", "general", tasks.Running) },
			want: map[string]int{"S1": 1},
		},
		"an ended task is not restored": {
			do: func(s *tasks.Set) { s.Restore("n1", "S1", "general", tasks.Failed) },
		},
		"a task is restored once": {
			do: func(s *tasks.Set) {
				s.Restore("n1", "S1", "general", tasks.Running)
				s.Restore("n1", "S2", "general", tasks.Running)
			},
			want: map[string]int{"S1": 1},
		},
		"a task counts as soon as its agent is known": {
			do: func(s *tasks.Set) {
				s.Restore("n1", "", "general", "")
				s.SetAgent(s.Get("n1"), "S1")
			},
			want: map[string]int{"S1": 1},
		},
		"a task that the master has on another agent is moved": {
			do: func(s *tasks.Set) {
				s.Restore("n1", "S1", "general", tasks.Running)
				s.SetAgent(s.Get("n1"), "S2")
			},
			want: map[string]int{"S2": 1},
		},
		"an answer without an agent does not move a task": {
			do: func(s *tasks.Set) {
				s.Restore("n1", "S1", "general", tasks.Running)
				s.SetAgent(s.Get("n1"), "")
			},
			want: map[string]int{"S1": 1},
		},
		"a task that only the master knows counts in no group": {
			do: func(s *tasks.Set) { s.Note("n1", "S1") },
		},
		"a launched task is not counted twice": {
			do: func(s *tasks.Set) { s.Launched("n1", "S1", "general") },
		},
		"a removed task does not count": {
			do: func(s *tasks.Set) {
				s.Restore("n1", "S1", "general", tasks.Running)
				s.Restore("n2", "S1", "general", tasks.Running)
				s.Remove(s.Get("n1"))
			},
			want: map[string]int{"S1": 1},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, occupancy, _ := newSet()
			tc.do(s)
			if diff := cmp.Diff(tc.want, occupancy.Counts()["general"]); diff != "" {
				t.Errorf("the counts differ (-want +got):\n%s", diff)
			}
		})
	}
}

func TestLaunchedTaskLeavesItsCountWithItsAgent(t *testing.T) {
	t.Parallel()
	s, occupancy, _ := newSet()
	occupancy.Add("general", "S1", 1) // as an intent
	s.Remove(s.Launched("n1", "S1", "general"))
	if n := occupancy.Counts()["general"]["S1"]; n != 0 {
		t.Errorf("%d tasks are counted after the end of the only one", n)
	}
}

func TestTasksAreFoundByAgent(t *testing.T) {
	t.Parallel()
	s, _, _ := newSet()
	s.Note("n2", "S1")
	s.Note("n1", "S1")
	s.Note("n3", "S2")
	s.Note("n1", "") // it is known, and its agent stays
	if got := s.OnAgent("S1"); !slices.Equal(got, []string{"n2", "n1"}) {
		t.Errorf("on S1 are %v", got)
	}
	s.SetAgent(s.Get("n1"), "S2")
	s.Remove(s.Get("n2"))
	if got := s.OnAgent("S1"); len(got) > 0 {
		t.Errorf("on S1 are still %v", got)
	}
	if got := s.OnAgent("S2"); !slices.Equal(got, []string{"n3", "n1"}) {
		t.Errorf("on S2 are %v", got)
	}
	if got := idsOf(s.All()); !slices.Equal(got, []string{"n1", "n3"}) || s.Len() != 2 {
		t.Errorf("all are %v", got)
	}
}

func TestRemovedTaskHasNoTimers(t *testing.T) {
	t.Parallel()
	s, _, clock := newSet()
	task := s.Note("n1", "S1")
	for _, kind := range []timers.Kind{timers.ReconcileTask, timers.Kill, timers.RecordStatus} {
		clock.Set(kind, "n1", start)
		clock.Set(kind, "n2", start)
	}
	s.Remove(task)
	if clock.Len() != 3 || s.Get("n1") != nil {
		t.Errorf("%d timers are left, want those of n2", clock.Len())
	}
}

// A status that contains nothing new need not be recorded, unless the record may be gone.
func TestIsKnown(t *testing.T) {
	t.Parallel()
	const interval = 15 * time.Minute
	for name, tc := range map[string]struct {
		change func(task *tasks.Task, st *tasks.Status)
		now    time.Duration
		want   bool
	}{
		"the recorded state is not recorded again":               {now: time.Minute, want: true},
		"the recorded state is recorded again after a long time": {now: interval},
		"another state is recorded":                              {change: func(_ *tasks.Task, st *tasks.Status) { st.State = tasks.Failed }},
		"an update with a uuid is recorded":                      {change: func(_ *tasks.Task, st *tasks.Status) { st.UUID = []byte("u1") }},
		"the state of a task without a record is recorded":       {change: func(task *tasks.Task, _ *tasks.Status) { task.Orphaned(tasks.Running) }},
		"the state of a task that is being killed is recorded": {change: func(task *tasks.Task, _ *tasks.Status) {
			tasks.NewKiller(timers.Backoff{}, 0, timers.NewQueue()).Start(task)
		}},
		"a status is recorded after another one": {change: func(task *tasks.Task, _ *tasks.Status) {
			tasks.NewRecorder(timers.Backoff{}, timers.NewQueue()).Add(task, tasks.Status{State: tasks.Killing})
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, _, _ := newSet()
			task, st := s.Note("n1", "S1"), tasks.Status{TaskID: "n1", State: tasks.Running}
			task.Recorded(start, tasks.Running)
			if tc.change != nil {
				tc.change(task, &st)
			}
			if got := task.IsKnown(after(tc.now), &st, interval); got != tc.want {
				t.Errorf("known: %v, want %v", got, tc.want)
			}
		})
	}
}

func TestTaskWithoutARecordIsOverUnlessItMayRun(t *testing.T) {
	t.Parallel()
	for state, mayRun := range map[tasks.State]bool{
		tasks.Staging: true, tasks.Running: true, tasks.Killing: true,
		tasks.Failed: false, tasks.GoneByOperator: false, tasks.Unreachable: false, tasks.Unknown: false, tasks.Lost: false,
	} {
		s, _, _ := newSet()
		task := s.Note("n1", "S1")
		if got := task.Orphaned(state); got != mayRun || task.IsOver == mayRun {
			t.Errorf("%s: it may run: %v, over: %v", state, got, task.IsOver)
		}
	}
}

func TestRecordedEndIsFinal(t *testing.T) {
	t.Parallel()
	s, _, _ := newSet()
	task := s.Note("n1", "S1")
	task.Recorded(start, tasks.Running)
	if task.IsOver {
		t.Error("a running task is over")
	}
	task.Recorded(start, tasks.Finished)
	task.Recorded(start, tasks.Running) // an update that came late
	if !task.IsOver {
		t.Error("a finished task runs again")
	}
}

func TestClaimsAreRecordedOnceAndThenAcknowledged(t *testing.T) {
	t.Parallel()
	s, _, _ := newSet()
	n1 := s.Note("n1", "S1")
	expect := func(step string, state tasks.State, mustRecord, isRecorded bool) {
		t.Helper()
		if must, is := n1.Dispute(state); must != mustRecord || is != isRecorded {
			t.Errorf("%s: must be recorded %t and is %t, want %t and %t", step, must, is, mustRecord, isRecorded)
		}
	}
	expect("the first claim", tasks.Failed, true, false)
	expect("the same claim, while the store has it", tasks.Failed, false, false)
	n1.DisputeRecorded(tasks.Failed)
	expect("the same claim, on record", tasks.Failed, false, true)
	expect("another claim", tasks.Killed, true, false)
	n1.Settle()
	n1.DisputeRecorded(tasks.Killed)
	if n1.IsDisputed(tasks.Killed) || n1.IsDisputed(tasks.Failed) {
		t.Error("a claim is disputed after an update that counts")
	}
	expect("a claim after that", tasks.Failed, true, false)
}

func TestClaimThatFindsTheQueueFullComesAgain(t *testing.T) {
	t.Parallel()
	s, _, q := newSet()
	n1, r := s.Note("n1", "S1"), tasks.NewRecorder(timers.Backoff{Initial: time.Second, Max: time.Second}, q)
	for i := range 16 {
		r.Add(n1, tasks.Status{TaskID: "n1", State: tasks.Running, UUID: []byte{byte(i)}})
	}
	if must, is := n1.Dispute(tasks.Failed); must || is || !n1.IsDisputed(tasks.Failed) {
		t.Errorf("must be recorded %t, is %t, disputed %t", must, is, n1.IsDisputed(tasks.Failed))
	}
	r.Done(n1)
	if must, _ := n1.Dispute(tasks.Failed); !must {
		t.Error("it is not recorded once there is room")
	}
}

func TestRestoredClaimsAreDisputed(t *testing.T) {
	t.Parallel()
	s, _, _ := newSet()
	s.Restore("n1", "S1", "general", tasks.Running, tasks.Failed)
	n1 := s.Get("n1")
	if _, isRecorded := n1.Dispute(tasks.Failed); !isRecorded || n1.IsDisputed(tasks.Killed) || !n1.IsInDoubt() {
		t.Error("the claim on record is not restored")
	}
}
