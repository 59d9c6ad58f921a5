package placement

import (
	"time"

	mesos "github.com/mesos/mesos-go/api/v1/lib"
)

// MaintenanceWindow is the time in which an agent is unavailable.
type MaintenanceWindow struct {
	Start    time.Time
	Duration time.Duration // 0: the window has no end
}

// ParseUnavailability reads Mesos' form of a maintenance window; nil for none.
func ParseUnavailability(u *mesos.Unavailability) *MaintenanceWindow {
	if u == nil {
		return nil
	}
	w := &MaintenanceWindow{Start: time.Unix(0, u.Start.Nanoseconds).UTC()}
	if d := u.Duration.GetNanoseconds(); d > 0 {
		w.Duration = time.Duration(d)
	}
	return w
}

// HasEnded reports whether the window has passed.
func (w MaintenanceWindow) HasEnded(now time.Time) bool {
	return w.Duration > 0 && !w.Start.Add(w.Duration).After(now)
}

// isImminent reports whether the window has begun, or begins before lead has passed. A
// window that has ended is not imminent.
func (w MaintenanceWindow) isImminent(now time.Time, lead time.Duration) bool {
	return !w.HasEnded(now) && !w.Start.After(now.Add(lead))
}
