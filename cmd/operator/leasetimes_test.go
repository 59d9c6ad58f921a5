package main

import (
	"testing"
	"time"
)

func TestLeaseTimes(t *testing.T) {
	for name, test := range map[string]struct {
		lease, renew, retry time.Duration
		ok                  bool
	}{
		"as by default":                     {15 * time.Second, 10 * time.Second, 2 * time.Second, true},
		"each a little more than the next":  {3, 2, 1, true},
		"others take over during a renewal": {10 * time.Second, 15 * time.Second, 2 * time.Second, false},
		"no time between the two":           {10 * time.Second, 10 * time.Second, 2 * time.Second, false},
		"one attempt at a renewal":          {15 * time.Second, 2 * time.Second, 2 * time.Second, false},
		"attempts without a pause":          {15 * time.Second, 10 * time.Second, 0, false},
		"negative":                          {-1, -2, -3, false},
	} {
		if err := (leaseTimes{test.lease, test.renew, test.retry}).check(); (err == nil) != test.ok {
			t.Errorf("%s: got %v, want it accepted: %t", name, err, test.ok)
		}
	}
}
