package mesosframework

import "time"

const (
	// maxReclaims is how often in a row an ID is taken back from another scheduler. With no
	// limit, two schedulers that both insist would go on for ever.
	maxReclaims = 3
	// firstReclaimDelay is the delay before the first attempt. It doubles with each.
	firstReclaimDelay = 30 * time.Second
	// failoverReset is the age at which a session no longer counts the failovers before it.
	failoverReset = time.Hour
)

// reclaim returns when the ID that another scheduler took is to be taken back, and false if
// it is left to the other. An operator that was frozen and woken takes an ID by accident, and
// once; a scheduler that takes it again and again means to keep it.
func (e *sessionEntry) reclaim(now time.Time) (at time.Time, again bool) {
	if e.failedOverAt.IsZero() {
		e.failedOverAt = now
	}
	previous := e.failoverCount() - 1
	return e.failedOverAt.Add(firstReclaimDelay << previous), previous < maxReclaims
}

// failoverCount returns how many sessions in a row, this one included, another scheduler
// ended.
func (e *sessionEntry) failoverCount() int {
	switch {
	case e.failedOverAt.IsZero():
		return 0
	case e.failedOverAt.Sub(e.startedAt) >= failoverReset:
		return 1
	}
	return e.failovers + 1
}
