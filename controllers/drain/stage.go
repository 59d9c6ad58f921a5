package drain

import (
	"fmt"
	"slices"
	"time"
)

// Stage is the part of a drain that is under way: the pods of one order, and of one priority
// band, and all pods before them. It is zero before a drain has begun, and where a policy does
// not order pods.
type Stage struct {
	Order, MinPriority int32
	// Since is when the stage began.
	Since time.Time
}

func (s Stage) key() stageKey { return stageKey{s.Order, s.MinPriority} }

// advance returns the stage that is under way, and when it ends although pods of it are left;
// zero for never. The keys are the places of all pods that are left.
func (p Policy) advance(s Stage, keys []stageKey, now time.Time) (Stage, time.Time) {
	if !p.isStaged() {
		return Stage{}, time.Time{}
	}
	if len(keys) == 0 {
		return s, time.Time{}
	}
	slices.SortFunc(keys, func(a, b stageKey) int {
		switch {
		case a.before(b):
			return -1
		case b.before(a):
			return 1
		}
		return 0
	})
	begin := func(k stageKey) { s = Stage{Order: k.order, MinPriority: k.minPriority, Since: now} }
	if s.Since.IsZero() || s.key().before(keys[0]) {
		begin(keys[0]) // nothing is left of the stage before
	}
	i := slices.IndexFunc(keys, s.key().before)
	if i < 0 {
		return s, time.Time{} // no pods come after this stage
	}
	timeout := p.bandTimeout(s.MinPriority)
	if timeout == 0 {
		return s, time.Time{}
	}
	if end := s.Since.Add(timeout); now.Before(end) {
		return s, end
	}
	begin(keys[i])
	return s, now.Add(p.bandTimeout(s.MinPriority))
}

// bandTimeout returns the timeout of a band, 0 if there is none.
func (p Policy) bandTimeout(minPriority int32) time.Duration {
	for _, band := range p.bands {
		if band.MinPriority == minPriority {
			return band.Timeout.Duration
		}
	}
	return 0
}

// String describes the pods of a stage.
func (s Stage) String() string {
	return fmt.Sprintf("pods up to order %d and priority band %d", s.Order, s.MinPriority)
}
