package placement

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	mesos "github.com/mesos/mesos-go/api/v1/lib"
)

func TestParseUnavailability(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, 3, 1, 4, 0, 0, 0, time.UTC)
	at := mesos.TimeInfo{Nanoseconds: start.UnixNano()}
	for name, tc := range map[string]struct {
		in   *mesos.Unavailability
		want *MaintenanceWindow
	}{
		"none":                {nil, nil},
		"with an end":         {&mesos.Unavailability{Start: at, Duration: &mesos.DurationInfo{Nanoseconds: int64(time.Hour)}}, &MaintenanceWindow{start, time.Hour}},
		"without an end":      {&mesos.Unavailability{Start: at}, &MaintenanceWindow{Start: start}},
		"a negative duration": {&mesos.Unavailability{Start: at, Duration: &mesos.DurationInfo{Nanoseconds: -1}}, &MaintenanceWindow{Start: start}},
	} {
		if diff := cmp.Diff(tc.want, ParseUnavailability(tc.in)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestWindowInTime(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, 3, 1, 4, 0, 0, 0, time.UTC)
	const lead = time.Hour
	for name, tc := range map[string]struct {
		duration             time.Duration
		now                  time.Time
		isImminent, hasEnded bool
	}{
		"long before":          {time.Hour, start.Add(-2 * time.Hour), false, false},
		"just before the lead": {time.Hour, start.Add(-lead - 1), false, false},
		"the lead begins":      {time.Hour, start.Add(-lead), true, false},
		"the begin":            {time.Hour, start, true, false},
		"the last moment":      {time.Hour, start.Add(time.Hour - 1), true, false},
		"the end":              {time.Hour, start.Add(time.Hour), false, true},
		"long after the end":   {time.Hour, start.Add(100 * time.Hour), false, true},
		"long after the begin of a window without end": {0, start.Add(10000 * time.Hour), true, false},
	} {
		w := MaintenanceWindow{Start: start, Duration: tc.duration}
		if got := w.isImminent(tc.now, lead); got != tc.isImminent {
			t.Errorf("%s: it is imminent: %v", name, got)
		}
		if got := w.HasEnded(tc.now); got != tc.hasEnded {
			t.Errorf("%s: it has ended: %v", name, got)
		}
	}
}
