package launches_test

import (
	"testing"
	"time"

	"github.com/k8sm/k8sm/mesos/scheduler/launches"
)

func TestLimitFollowsHowLongPreparationTakes(t *testing.T) {
	t.Parallel()
	const fast, middling, slow = timeout/10 - 1, timeout / 8, timeout/5 + 1
	for name, tc := range map[string]struct {
		max  int
		took []time.Duration
		want int
	}{
		"the limit begins at its minimum":                            {max: 1000, want: 16},
		"the limit begins at a maximum below its minimum":            {max: 4, want: 4},
		"the limit grows while preparation is fast":                  {max: 1000, took: []time.Duration{fast, fast, fast}, want: 19},
		"the limit stays while preparation is neither fast nor slow": {max: 1000, took: []time.Duration{fast, middling, middling}, want: 17},
		"the limit shrinks while preparation is slow":                {max: 1000, took: []time.Duration{fast, fast, fast, slow, slow}, want: 17},
		"the limit does not shrink below its minimum":                {max: 1000, took: []time.Duration{slow, slow, slow}, want: 16},
		"the limit does not grow above its maximum":                  {max: 17, took: []time.Duration{fast, fast, fast}, want: 17},
		"a maximum below the minimum is the minimum too":             {max: 4, took: []time.Duration{slow, fast}, want: 4},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := launches.NewLimiter(tc.max, timeout)
			for _, d := range tc.took {
				l.Took(d)
			}
			if got := l.Limit(); got != tc.want {
				t.Errorf("the limit is %d, want %d", got, tc.want)
			}
		})
	}
}

func TestLimitIsHalvedOncePerTimeout(t *testing.T) {
	t.Parallel()
	l := launches.NewLimiter(1000, timeout)
	for range 84 {
		l.Took(0)
	}
	for _, step := range []struct {
		after time.Duration
		want  int
	}{
		{0, 50},
		{time.Second, 50}, // late batches come many at once
		{timeout, 25},
		{2 * timeout, 16},
		{3 * timeout, 16},
	} {
		if l.TimedOut(start.Add(step.after)); l.Limit() != step.want {
			t.Errorf("after %s the limit is %d, want %d", step.after, l.Limit(), step.want)
		}
	}
}
