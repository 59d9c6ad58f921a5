package registration

import (
	"time"

	"github.com/k8sm/k8sm/mesos/scheduler/timers"
)

// IDStore knows whether the framework's ID is durable. Nothing is launched before: without
// the ID the tasks could not be found again. Use NewIDStore. It is not safe for concurrent use.
type IDStore struct {
	timers   *timers.Queue
	delay    timers.Backoff
	isStored bool
	failures int
}

// NewIDStore returns a store with a delay between attempts. It sets the timer StoreFrameworkID.
func NewIDStore(delay timers.Backoff, isStored bool, q *timers.Queue) *IDStore {
	return &IDStore{timers: q, delay: delay, isStored: isStored}
}

// IsStored reports whether the ID is durable.
func (s *IDStore) IsStored() bool { return s.isStored }

// Stored notes that the ID is durable.
func (s *IDStore) Stored() { s.isStored, s.failures = true, 0 }

// Failed sets the timer for another attempt to store the ID.
func (s *IDStore) Failed(now time.Time) {
	s.timers.Set(timers.StoreFrameworkID, "", now.Add(s.delay.After(s.failures)))
	s.failures++
}
