package outgoing

import (
	"time"

	mesos "github.com/mesos/mesos-go/api/v1/lib"
	schedulerpb "github.com/mesos/mesos-go/api/v1/lib/scheduler"

	"github.com/k8sm/k8sm/mesos/scheduler/timers"
)

// Queue holds calls in the order in which they are to be sent, and lets them go at a
// limited rate. Use NewQueue. It is not safe for concurrent use.
type Queue struct {
	timers      *timers.Queue
	rate        float64 // calls a second
	burst       int
	frameworkID string

	waiting  []*Call
	tokens   float64 // calls that may go at once; at most burst
	filledAt time.Time
}

// NewQueue returns an empty queue that lets burst calls go at once, and then rate calls a
// second. It sets the timer SendCalls when calls have to wait.
func NewQueue(q *timers.Queue, rate float64, burst int) *Queue {
	return &Queue{timers: q, rate: rate, burst: burst, tokens: float64(burst)}
}

// SetFrameworkID has all calls that are added from now on carry an ID.
func (q *Queue) SetFrameworkID(id string) { q.frameworkID = id }

// Len returns the number of calls that wait.
func (q *Queue) Len() int { return len(q.waiting) }

// Send adds a call at the end.
func (q *Queue) Send(call *schedulerpb.Call) { q.SendCall(&Call{Call: call}) }

// SendCall adds a call at the end, which may have offer constraints.
func (q *Queue) SendCall(call *Call) {
	q.waiting = append(q.waiting, q.Address(call))
}

// Address puts the framework's ID into a call that does not go through the queue.
func (q *Queue) Address(call *Call) *Call {
	call.FrameworkID = &mesos.FrameworkID{Value: q.frameworkID}
	return call
}

// Take removes and returns the calls that may go now. If some have to wait, it sets a timer
// for the next.
func (q *Queue) Take(now time.Time) []*Call {
	if len(q.waiting) == 0 {
		return nil
	}
	if !q.filledAt.IsZero() {
		earned := now.Sub(q.filledAt).Seconds() * q.rate
		q.tokens = min(q.tokens+earned, float64(q.burst))
	}
	q.filledAt = now
	n := min(len(q.waiting), int(q.tokens))
	q.tokens -= float64(n)
	taken := q.waiting[:n]
	q.waiting = q.waiting[n:]
	if len(q.waiting) > 0 {
		wait := (1 - q.tokens) / q.rate
		q.timers.Set(timers.SendCalls, "", now.Add(max(time.Duration(wait*float64(time.Second)), time.Millisecond)))
	}
	return taken
}

// Drop removes and returns all calls that wait.
func (q *Queue) Drop() []*Call {
	dropped := q.waiting
	q.waiting = nil
	return dropped
}
