package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/k8sm/k8sm/mesos/mesostest"
	"github.com/k8sm/k8sm/mesos/session"
)

// atRest is the time that is simulated.
const atRest = 10 * time.Minute

// TestAtRest runs a session with many running nodes in virtual time, and expects it to make no
// calls. The benchmark runs the same test at full size for its figure.
func TestAtRest(t *testing.T) {
	agents, nodes := 200, 100
	if n, err := strconv.Atoi(os.Getenv(restAgentsVariable)); err == nil {
		agents, nodes = n, n/2
	}
	var made map[string]int
	var f figure
	synctest.Test(t, func(t *testing.T) {
		var err error
		if f, made, err = runAtRest(t, agents, nodes); err != nil {
			t.Fatal(err)
		}
	})
	if len(made) > 0 {
		t.Errorf("at rest it made calls: %v", made)
	}
	if path := os.Getenv(restFigureVariable); path != "" {
		content, err := json.Marshal(f)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func runAtRest(t *testing.T, agents, nodes int) (f figure, made map[string]int, err error) {
	w := newMemoryListener()
	m, err := mesostest.NewMaster(mesostest.MasterOptions{Listener: w})
	if err != nil {
		return f, nil, err
	}
	defer func() { err = errors.Join(err, m.Close()) }()
	if err := addAgents(m, agents); err != nil {
		return f, nil, err
	}
	l := newMemoryStore()
	cfg := l.config(m.Addr())
	cfg.Dial = w.dial
	s, err := session.New(cfg)
	if err != nil {
		return f, nil, err
	}
	stop := runSession(t.Context(), s)
	defer func() { err = errors.Join(err, stop()) }()
	for i := range nodes {
		s.AddDemand(node(i))
	}
	time.Sleep(2 * time.Minute) // to launch, and to come to rest
	if l.count() != nodes {
		return f, nil, fmt.Errorf("%d of %d nodes run after two minutes: %s", l.count(), nodes, s.State().Message)
	}
	before, calls := currentUsage(), m.Calls()
	time.Sleep(atRest)
	synctest.Wait()
	after := currentUsage()
	made = map[string]int{}
	for callType, n := range m.Calls() {
		if n -= calls[callType]; n > 0 && callType != "ACKNOWLEDGE" {
			made[callType] = n
		}
	}
	return figure{
		Name: "at_rest_10000_agents_5000_nodes", Value: float64(total(made)), Unit: "calls in 10 simulated minutes", Goal: "0, acknowledgements apart",
		Beside: map[string]float64{
			"agents": float64(agents), "nodes": float64(nodes), "cpu_s": after.cpu.Seconds() - before.cpu.Seconds(),
			"heap_before_MiB": before.heap, "heap_after_MiB": after.heap, "goroutines_before": before.goroutines, "goroutines_after": after.goroutines,
		},
		Note: "virtual time; cpu and memory are those of session, core, master and executors together, in one process; every 15 minutes there is one implicit task reconciliation",
	}, made, nil
}

// usage is what this process uses, measured after a garbage collection.
type usage struct {
	cpu              time.Duration
	heap, goroutines float64
}

func currentUsage() usage {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		panic(err) // it has no way to fail
	}
	return usage{
		cpu:  time.Duration(r.Utime.Nano() + r.Stime.Nano()),
		heap: float64(m.HeapAlloc) / (1 << 20), goroutines: float64(runtime.NumGoroutine()),
	}
}
