package identity

import (
	"sync"
	"time"
)

const (
	// requestBurst is the number of requests that one requestor can make at once, and
	// requestInterval the time in which it can make another one after that. A kubelet makes two
	// at its start, and two in days.
	requestBurst    = 20
	requestInterval = 30 * time.Second
	// maxRequestAge is the age from which a request that has to wait is no longer looked at. A
	// kubelet waits for 15 minutes.
	maxRequestAge = 15 * time.Minute
	// maxRequestors bounds the number of requestors that are remembered.
	maxRequestors = 20000
)

// limiter bounds how many requests of one requestor are decided on, so that nobody delays the
// requests of others. The zero value is ready for use. It is safe for concurrent use.
type limiter struct {
	mu sync.Mutex
	// free is the time from which a requestor has its whole burst again.
	free map[string]time.Time
}

// take takes one request of a requestor out of its allowance. If there is none left, it returns
// the time after which there is.
func (l *limiter) take(requestor string, now time.Time) (wait time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	free := l.free[requestor]
	if free.Before(now) {
		free = now
	}
	if wait = free.Sub(now) - (requestBurst-1)*requestInterval; wait > 0 {
		return wait
	}
	if l.free == nil || len(l.free) >= maxRequestors {
		l.forget(now)
	}
	l.free[requestor] = free.Add(requestInterval)
	return 0
}

// forget forgets the requestors that have their whole burst again, and all if there are too many
// of the others.
func (l *limiter) forget(now time.Time) {
	kept := map[string]time.Time{}
	for requestor, free := range l.free {
		if free.After(now) {
			kept[requestor] = free
		}
	}
	if len(kept) >= maxRequestors {
		clear(kept)
	}
	l.free = kept
}
