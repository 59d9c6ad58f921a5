package tasks

import (
	"time"

	"github.com/k8sm/k8sm/mesos/scheduler/timers"
)

// Recorder decides which status the store gets next: one of a task at a time, in the order
// in which they came. Use NewRecorder.
type Recorder struct {
	delay  timers.Backoff
	timers *timers.Queue
}

// NewRecorder returns a recorder that repeats what the store failed to record after a
// delay. It sets the timer RecordStatus, with the task as its key.
func NewRecorder(delay timers.Backoff, q *timers.Queue) *Recorder {
	return &Recorder{delay: delay, timers: q}
}

// Add has a status recorded. If the store is free for the task, the status to record now is
// returned.
func (r *Recorder) Add(t *Task, st Status) (Status, bool) {
	if !t.statuses.add(st) || r.timers.Has(timers.RecordStatus, t.ID) {
		return Status{}, false
	}
	return t.statuses.begin()
}

// Next returns the status of a task to record next; false if there is none, or one is with
// the store.
func (r *Recorder) Next(t *Task) (Status, bool) { return t.statuses.begin() }

// Failed notes that the store did not record the status that it was given, and sets the
// timer for another attempt.
func (r *Recorder) Failed(now time.Time, t *Task) {
	r.timers.Set(timers.RecordStatus, t.ID, now.Add(r.delay.After(t.statuses.failed())))
}

// Done removes and returns the status that the store recorded, or has no record for.
func (r *Recorder) Done(t *Task) Status { return t.statuses.done() }
