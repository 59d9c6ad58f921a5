package scheduler

import (
	"time"

	"github.com/k8sm/k8sm/mesos/scheduler/timers"
)

// idStore knows whether the framework's ID is durable. Nothing is launched before: without
// the ID the tasks could not be found again.
type idStore struct {
	timers   *timers.Queue
	delay    Backoff
	isStored bool
	failures int
}

func (s *idStore) stored() { s.isStored, s.failures = true, 0 }

// failed sets the timer for another attempt to store the ID.
func (s *idStore) failed(now time.Time) {
	s.timers.Set(timers.StoreFrameworkID, "", now.Add(s.delay.After(s.failures)))
	s.failures++
}
