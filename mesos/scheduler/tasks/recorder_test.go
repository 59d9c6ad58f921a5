package tasks_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/k8sm/k8sm/mesos/scheduler/tasks"
	"github.com/k8sm/k8sm/mesos/scheduler/timers"
)

// newRecorder returns a recorder and a task that it may record statuses of.
func newRecorder() (*tasks.Recorder, *tasks.Task, *timers.Queue) {
	s, _, clock := newSet()
	return tasks.NewRecorder(timers.Backoff{Initial: time.Second, Max: 4 * time.Second}, clock), s.Note("n1", "S1"), clock
}

func update(state tasks.State, uuid string) tasks.Status {
	st := tasks.Status{TaskID: "n1", AgentID: "S1", State: state}
	if uuid != "" {
		st.UUID = []byte(uuid)
	}
	return st
}

func own(state tasks.State) tasks.Status {
	return tasks.Status{TaskID: "n1", State: state, Source: tasks.SourceK8sm}
}

// recordAll lets the store record everything, and returns the states in order.
func recordAll(r *tasks.Recorder, task *tasks.Task) []string {
	var out []string
	for task.HasStatuses() {
		if !task.IsRecording() {
			r.Next(task)
		}
		st := r.Done(task)
		out = append(out, string(st.State)+string(st.UUID))
	}
	return out
}

func TestStatusesAreRecordedInOrder(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		add  []tasks.Status
		want []string
	}{
		"updates that must be acknowledged are all recorded": {
			add:  []tasks.Status{update(tasks.Starting, "-u1"), update(tasks.Running, "-u2"), update(tasks.Failed, "-u3")},
			want: []string{"TASK_STARTING-u1", "TASK_RUNNING-u2", "TASK_FAILED-u3"},
		},
		"an update that is sent again is recorded once": {
			add:  []tasks.Status{update(tasks.Starting, "-u1"), update(tasks.Running, "-u2"), update(tasks.Running, "-u2"), update(tasks.Starting, "-u1")},
			want: []string{"TASK_STARTING-u1", "TASK_RUNNING-u2"},
		},
		"the last of several answers of the master is recorded after the one that is being recorded": {
			add:  []tasks.Status{update(tasks.Staging, ""), update(tasks.Running, ""), update(tasks.Unreachable, "")},
			want: []string{"TASK_STAGING", "TASK_UNREACHABLE"},
		},
		"an answer does not replace an update": {
			add:  []tasks.Status{update(tasks.Staging, ""), update(tasks.Running, "-u1"), update(tasks.Running, "")},
			want: []string{"TASK_STAGING", "TASK_RUNNING-u1", "TASK_RUNNING"},
		},
		"the end of a launch that was not sent is not replaced by an answer": {
			add:  []tasks.Status{update(tasks.Staging, "-u1"), own(tasks.Dropped), update(tasks.Running, "")},
			want: []string{"TASK_STAGING-u1", "TASK_DROPPED", "TASK_RUNNING"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, task, _ := newRecorder()
			for i, st := range tc.add {
				if _, ok := r.Add(task, st); ok != (i == 0) {
					t.Errorf("status %d is to be recorded at once: %v", i, ok)
				}
			}
			if got := recordAll(r, task); !slices.Equal(got, tc.want) {
				t.Errorf("recorded are %v, want %v", got, tc.want)
			}
		})
	}
}

func TestOneStatusOfATaskIsRecordedAtATime(t *testing.T) {
	t.Parallel()
	r, task, _ := newRecorder()
	if _, ok := r.Next(task); ok {
		t.Error("there is something to record before anything was reported")
	}
	first, ok := r.Add(task, update(tasks.Starting, "u1"))
	if !ok || first.State != tasks.Starting || !task.IsRecording() {
		t.Errorf("the first is %+v, %v", first, ok)
	}
	r.Add(task, update(tasks.Running, "u2"))
	if _, ok := r.Next(task); ok {
		t.Error("a second status is to be recorded before the store has answered")
	}
	if done := r.Done(task); done.State != tasks.Starting || task.IsRecording() || !task.HasStatuses() {
		t.Errorf("done is %+v", done)
	}
	if next, ok := r.Next(task); !ok || next.State != tasks.Running {
		t.Errorf("the next is %+v, %v", next, ok)
	}
}

func TestFailedRecordIsRepeatedLater(t *testing.T) {
	t.Parallel()
	r, task, clock := newRecorder()
	r.Add(task, update(tasks.Running, "u1"))
	now := start
	for i, want := range []time.Duration{time.Second, 2 * time.Second, 4 * time.Second, 4 * time.Second} {
		r.Failed(now, task)
		if !clock.Has(timers.RecordStatus, "n1") || !clock.Next().Equal(now.Add(want)) {
			t.Errorf("failure %d: the next attempt is in %s, want %s", i+1, clock.Next().Sub(now), want)
		}
		if _, ok := r.Add(task, update(tasks.Running, fmt.Sprint("more", i))); ok {
			t.Error("a new status goes to a store that just failed")
		}
		now = now.Add(want)
		clock.Pop(now)
		if again, ok := r.Next(task); !ok || string(again.UUID) != "u1" {
			t.Fatalf("attempt %d is for %s", i+2, again.UUID)
		}
	}
	r.Done(task)
	r.Next(task)
	r.Failed(now, task)
	if !clock.Next().Equal(now.Add(time.Second)) {
		t.Error("failures before a success still count")
	}
}

func TestTheNumberOfStatusesIsLimited(t *testing.T) {
	t.Parallel()
	r, task, _ := newRecorder()
	for i := range 40 {
		r.Add(task, update(tasks.Running, fmt.Sprintf("-u%02d", i)))
	}
	if got := recordAll(r, task); len(got) != 16 || got[15] != "TASK_RUNNING-u15" {
		t.Errorf("%d statuses are remembered: %v", len(got), got)
	}
}
