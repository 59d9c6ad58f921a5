package mesostest

import (
	"testing"
	"time"
)

func TestMesosDuration(t *testing.T) {
	for want, d := range map[string]time.Duration{
		"15mins":  15 * time.Minute,
		"5secs":   5 * time.Second,
		"1.5secs": 1500 * time.Millisecond,
		"1weeks":  7 * 24 * time.Hour,
		"20ms":    20 * time.Millisecond,
		"0ns":     0,
	} {
		if got := mesosDuration(d); got != want {
			t.Errorf("%s: got %s, want %s", d, got, want)
		}
	}
}
