package launches

import "time"

// minLimit is how many intents are prepared at once, however slow that is.
const minLimit = 16

// Limiter decides how many intents are prepared at once. How fast the store is shows only
// in how long each takes: the limit begins small, grows while intents are prepared soon,
// shrinks while they are not, and is halved when offers had to go before.
type Limiter struct {
	max       int
	timeout   time.Duration
	limit     int
	reducedAt time.Time // when it was last halved
}

// NewLimiter returns a limiter for intents that have timeout to be prepared.
func NewLimiter(limit int, timeout time.Duration) *Limiter {
	l := &Limiter{max: limit, timeout: timeout}
	l.limit = l.min()
	return l
}

func (l *Limiter) min() int { return min(minLimit, l.max) }

// Limit returns how many intents may be prepared at once.
func (l *Limiter) Limit() int { return l.limit }

// Took notes how long an intent took to be prepared.
func (l *Limiter) Took(d time.Duration) {
	switch {
	case d < l.timeout/10:
		l.limit = min(l.limit+1, l.max)
	case d > l.timeout/5:
		l.limit = max(l.limit-1, l.min())
	}
}

// TimedOut notes that a batch was not prepared in time. Batches that are late come many at
// once, and count as one.
func (l *Limiter) TimedOut(now time.Time) {
	if now.Sub(l.reducedAt) >= l.timeout {
		l.limit, l.reducedAt = max(l.limit/2, l.min()), now
	}
}
