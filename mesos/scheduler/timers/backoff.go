package timers

import (
	"math/rand/v2"
	"time"
)

// Backoff is a delay that doubles from Initial to Max.
type Backoff struct {
	Initial time.Duration
	Max     time.Duration
}

// After returns the delay after this many earlier failures: Initial for none.
func (b Backoff) After(failures int) time.Duration {
	d := b.Initial
	for range failures {
		if d *= 2; d >= b.Max {
			return b.Max
		}
	}
	return min(d, b.Max)
}

// Jitter returns a random delay between half of d and d, so that many clients do not come
// at once.
func Jitter(r *rand.Rand, d time.Duration) time.Duration {
	if d < 2 {
		return d
	}
	return d/2 + time.Duration(r.Int64N(int64(d/2)))
}

// Later returns the later of two times.
func Later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// Earlier returns the earlier of two times.
func Earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
