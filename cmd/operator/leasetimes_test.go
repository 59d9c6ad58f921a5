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
		"the defaults":                                 {15 * time.Second, 10 * time.Second, 2 * time.Second, true},
		"each time greater than the next":              {3, 2, 1, true},
		"a renew deadline above the lease duration":    {10 * time.Second, 15 * time.Second, 2 * time.Second, false},
		"a renew deadline equal to the lease duration": {10 * time.Second, 10 * time.Second, 2 * time.Second, false},
		"a retry period equal to the renew deadline":   {15 * time.Second, 2 * time.Second, 2 * time.Second, false},
		"a retry period of zero":                       {15 * time.Second, 10 * time.Second, 0, false},
		"negative times":                               {-1, -2, -3, false},
	} {
		if err := (leaseTimes{test.lease, test.renew, test.retry}).check(); (err == nil) != test.ok {
			t.Errorf("%s: got %v, want it accepted: %t", name, err, test.ok)
		}
	}
}
