package main

import (
	"os"
	"runtime"
	"testing"
	"time"
)

func TestWhatThisProcessTakes(t *testing.T) {
	ballast := make([]byte, 32<<20)
	for i := range ballast {
		ballast[i] = 1
	}
	m, err := memoryOf(os.Getpid())
	runtime.KeepAlive(ballast)
	if err != nil {
		t.Fatal(err)
	}
	if m.anonymous < 32 || m.resident < m.anonymous || m.proportional > m.resident {
		t.Errorf("with %d MiB of ballast: %+v", len(ballast)>>20, m)
	}
	if peak, err := peakOf(os.Getpid()); err != nil || peak < 32 {
		t.Errorf("with %d MiB of ballast the peak is %v MiB (%v)", len(ballast)>>20, peak, err)
	}
	before, err := cpuTime(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	for start := time.Now(); time.Since(start) < 10*time.Second; {
		after, err := cpuTime(os.Getpid())
		if err != nil {
			t.Fatal(err)
		}
		if after-before >= 50*time.Millisecond {
			return
		}
	}
	t.Error("no CPU time after 10 s of work")
}

func TestProcessThatIsNotThereTakesNothing(t *testing.T) {
	if _, err := memoryOf(1 << 30); err == nil {
		t.Error("no error of its memory")
	}
	if _, err := peakOf(1 << 30); err == nil {
		t.Error("no error of its peak memory")
	}
	if _, err := cpuTime(1 << 30); err == nil {
		t.Error("no error of its CPU time")
	}
}
