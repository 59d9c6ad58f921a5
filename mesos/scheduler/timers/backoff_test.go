package timers_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/k8sm/k8sm/mesos/scheduler/timers"
)

func TestBackoffDoublesUpToItsMaximum(t *testing.T) {
	t.Parallel()
	b := timers.Backoff{Initial: time.Second, Max: 5 * time.Second}
	for failures, want := range []time.Duration{time.Second, 2 * time.Second, 4 * time.Second, 5 * time.Second, 5 * time.Second} {
		if got := b.After(failures); got != want {
			t.Errorf("after %d failures the delay is %s, want %s", failures, got, want)
		}
	}
	if got := b.After(1000); got != b.Max { // it must not overflow
		t.Errorf("after 1000 failures the delay is %s, want %s", got, b.Max)
	}
	if got := (timers.Backoff{Initial: time.Minute, Max: time.Second}).After(0); got != time.Second {
		t.Errorf("the delay %s is longer than the maximum", got)
	}
}

func TestJitterStaysBetweenHalfAndAll(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	for _, d := range []time.Duration{0, 1, 2, 3, time.Millisecond, time.Hour} {
		different := map[time.Duration]bool{}
		for range 200 {
			got := timers.Jitter(r, d)
			if got < d/2 || got > d {
				t.Fatalf("the jittered delay of %s is %s", d, got)
			}
			different[got] = true
		}
		if d >= time.Millisecond && len(different) < 100 {
			t.Errorf("%s has %d different jittered delays of 200", d, len(different))
		}
	}
}

func TestLaterAndEarlier(t *testing.T) {
	t.Parallel()
	a, b := at(1), at(2)
	if timers.Later(a, b) != b || timers.Later(b, a) != b || timers.Earlier(a, b) != a || timers.Earlier(b, a) != a {
		t.Error("the wrong one of two times is chosen")
	}
}
