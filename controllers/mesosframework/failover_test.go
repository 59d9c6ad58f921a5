package mesosframework

import (
	"testing"
	"time"
)

func TestReclaim(t *testing.T) {
	tests := map[string]struct {
		failovers int           // of the sessions before
		lifetime  time.Duration // of the session until another scheduler ended it
		delay     time.Duration
		again     bool
		count     int
	}{
		"the first loss":                               {failovers: 0, delay: 30 * time.Second, again: true, count: 1},
		"the second in a row":                          {failovers: 1, delay: time.Minute, again: true, count: 2},
		"the third in a row":                           {failovers: 2, delay: 2 * time.Minute, again: true, count: 3},
		"the fourth in a row":                          {failovers: 3, delay: 4 * time.Minute, again: false, count: 4},
		"the second, just before an hour is over":      {failovers: 1, lifetime: time.Hour - time.Second, delay: time.Minute, again: true, count: 2},
		"the fourth, after an hour without a failover": {failovers: 3, lifetime: time.Hour, delay: 30 * time.Second, again: true, count: 1},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			e := &sessionEntry{startedAt: noon, failovers: test.failovers}
			if got := e.failoverCount(); got != 0 {
				t.Errorf("before the loss %d failovers are counted", got)
			}
			lostAt := noon.Add(test.lifetime)
			for _, later := range []time.Duration{0, 10 * time.Second, time.Hour} {
				at, again := e.reclaim(lostAt.Add(later))
				if !at.Equal(lostAt.Add(test.delay)) || again != test.again {
					t.Errorf("asked %s after the loss: taken back at %s (%t), want after %s (%t)", later, at, again, test.delay, test.again)
				}
			}
			if got := e.failoverCount(); got != test.count {
				t.Errorf("%d failovers are counted, want %d", got, test.count)
			}
		})
	}
}
