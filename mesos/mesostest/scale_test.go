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
			startAgent(b, m, AgentOptions{Launcher: Func(AutoRun)})
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

// BenchmarkFailOver is a fail-over of a cluster with ten tasks on each agent, until the
// framework has heard of all of them again.
func BenchmarkFailOver(b *testing.B) {
	for _, agents := range []int{100, 1000} {
		b.Run(strconv.Itoa(agents), func(b *testing.B) { benchmarkFailOver(b, agents) })
	}
}

func benchmarkFailOver(b *testing.B, agents int) {
	const perAgent = 10
	masters, err := NewMasters(2, MasterOptions{AllocationInterval: 50 * time.Millisecond, AgentReturn: time.Millisecond})
	if err != nil {
		b.Fatal(err)
	}
	for range agents {
		if _, err := masters.AddAgent(AgentOptions{Launcher: Func(AutoRun)}); err != nil {
			b.Fatal(err)
		}
	}
	s := subscribeScheduler(b, masters.Leader(), frameworkInfo("a"))
	for seen := 0; seen < agents; {
		for _, o := range s.offers() {
			var tasks []object
			for range perAgent {
				tasks = append(tasks, executorTask(o, fmt.Sprintf("t%d", seen*perAgent+len(tasks)), ""))
			}
			s.launch(o, 3600, tasks...)
			seen++
		}
	}
	for running := 0; running < perAgent*agents; {
		if s.update()["state"] == "TASK_RUNNING" {
			running++
		}
	}
	info := frameworkInfo("a")
	info["id"] = value(s.frameworkID)
	before, i := cpuTime(), 0
	for b.Loop() {
		i++
		masters.Elect(i % 2)
		s = subscribeScheduler(b, masters.Leader(), info)
		for reported := 0; reported < perAgent*agents; {
			s.call("RECONCILE", object{"reconcile": object{"tasks": []object{}}})
			reported = 0
			for _, event := range s.drain(2 * time.Second) {
				if event["type"] == "UPDATE" {
					reported++
				}
			}
		}
	}
	b.ReportMetric((cpuTime()-before).Seconds()/float64(i), "cpu-s")
	if err := masters.Close(); err != nil {
		b.Fatal(err)
	}
}
