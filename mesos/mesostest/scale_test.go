//go:build unix

package mesostest

import (
	"fmt"
	"runtime"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// cpuTime of this process so far.
func cpuTime() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkLaunches is that many agents, each of which gets a task and runs it, with
// the client's side in JSON included.
func BenchmarkLaunches(b *testing.B) {
	for _, agents := range []int{1000, 5000} {
		b.Run(strconv.Itoa(agents), func(b *testing.B) { benchmarkLaunches(b, agents) })
	}
}

func benchmarkLaunches(b *testing.B, agents int) {
	for b.Loop() {
		before := cpuTime()
		m := startMaster(b, MasterOptions{AllocationInterval: 50 * time.Millisecond})
		for range agents {
			startAgent(b, m, AgentOptions{Launcher: Func(Obedient)})
		}
		s := subscribeScheduler(b, m, frameworkInfo("a"))
		for seen := 0; seen < agents; {
			for _, o := range s.offers() {
				s.launch(o, 3600, executorTask(o, fmt.Sprintf("t%d", seen), ""))
				seen++
			}
		}
		for running := 0; running < agents; {
			if s.update()["state"] == "TASK_RUNNING" {
				running++
			}
		}
		var mem runtime.MemStats
		runtime.ReadMemStats(&mem)
		b.ReportMetric(float64(mem.HeapAlloc)/(1<<20), "heap-MB")
		b.ReportMetric((cpuTime() - before).Seconds(), "cpu-s")
		if err := m.Close(); err != nil {
			b.Fatal(err)
		}
	}
}
