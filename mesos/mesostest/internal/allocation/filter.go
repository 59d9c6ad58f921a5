package allocation

import (
	"math"
	"slices"
	"time"

	mesos "github.com/mesos/mesos-go/api/v1/lib"

	"github.com/k8sm/k8sm/mesos/mesostest/internal/resource"
)

// Bounds of the time for which a declined offer is not made again.
const (
	defaultRefusal = 5 * time.Second
	maxRefusal     = 365 * 24 * time.Hour
)

// RefusalTime is the time for which an offer with these filters is not made again: 5 s
// unless they have a valid time, a year at most.
func RefusalTime(filters *mesos.Filters) time.Duration {
	if filters == nil || filters.RefuseSeconds == nil {
		return defaultRefusal
	}
	seconds := *filters.RefuseSeconds
	switch {
	case math.IsNaN(seconds) || seconds < 0:
		return defaultRefusal
	case seconds > maxRefusal.Seconds():
		return maxRefusal
	}
	return time.Duration(seconds * float64(time.Second))
}

// filter keeps from a framework what it refused, and anything less.
type filter struct {
	refused resource.Quantities
	until   time.Time
}

// Filters are what a framework has refused of one agent, by role.
type Filters map[string][]filter

// Add refuses the quantities, and anything less, until a time.
func (f Filters) Add(role string, q resource.Quantities, until time.Time) {
	f[role] = append(f[role], filter{refused: q.Clone(), until: until})
}

// Refuse reports whether the quantities were refused for a time that has not passed.
// Filters whose time has passed are dropped.
func (f Filters) Refuse(role string, q resource.Quantities, now time.Time) bool {
	if len(f[role]) == 0 {
		return false
	}
	f[role] = slices.DeleteFunc(f[role], func(x filter) bool { return !now.Before(x.until) })
	return slices.ContainsFunc(f[role], func(x filter) bool { return x.refused.Contains(q) })
}

// Drop forgets what the role refused.
func (f Filters) Drop(role string) { delete(f, role) }
