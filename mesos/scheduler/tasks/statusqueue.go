package tasks

import "bytes"

// maxStatuses limits the statuses of one task that wait for the store. One that is turned
// away has not been acknowledged, and comes again.
const maxStatuses = 16

// statusQueue holds the statuses of one task that are to be recorded, one at a time. The
// zero value is ready.
type statusQueue struct {
	waiting []Status // the first is with the store if recording
	// recording means that the store has not answered yet.
	recording bool
	failures  int // of the store, in a row
}

func (q *statusQueue) isEmpty() bool { return len(q.waiting) == 0 }

func (q *statusQueue) isFull() bool { return len(q.waiting) >= maxStatuses }

// add puts a status at the end. A status that must be acknowledged is added once. Of the
// master's answers to reconciliation, which need no acknowledgement, only the last is kept.
func (q *statusQueue) add(st Status) (added bool) {
	for i := range q.waiting {
		s := &q.waiting[i]
		isWithStore := i == 0 && q.recording
		switch {
		case len(st.UUID) > 0 && bytes.Equal(s.UUID, st.UUID):
			return false
		case len(st.UUID) == 0 && len(s.UUID) == 0 && !isWithStore && s.Source != SourceK8sm:
			*s = st
			return false
		}
	}
	if q.isFull() {
		return false
	}
	q.waiting = append(q.waiting, st)
	return true
}

// begin returns the status to record next; false if there is none, or one is with the
// store.
func (q *statusQueue) begin() (Status, bool) {
	if q.recording || len(q.waiting) == 0 {
		return Status{}, false
	}
	q.recording = true
	return q.waiting[0], true
}

// failed notes that the store did not record the status, and returns how often it failed
// before.
func (q *statusQueue) failed() (before int) {
	q.recording = false
	q.failures++
	return q.failures - 1
}

// done removes and returns the status that the store has answered for good.
func (q *statusQueue) done() Status {
	st := q.waiting[0]
	q.waiting = q.waiting[1:]
	q.recording, q.failures = false, 0
	return st
}
