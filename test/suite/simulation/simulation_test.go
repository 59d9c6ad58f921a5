// The leader election library uses math/rand for its jitter, so math/rand has to be seeded.
//go:debug randseednop=0

package simulation

import (
	"encoding/json"
	"flag"
	"fmt"
	"math"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"
)

// fewSeeds is the number of seeds of an ordinary `go test`.
const fewSeeds = 20

var (
	seedFlag    = flag.Uint64("seed", 0, "run this seed alone, and print its trace")
	fromFlag    = flag.Uint64("from", 1, "the first seed")
	seedsFlag   = flag.Uint64("seeds", fewSeeds, "the number of seeds")
	shardFlag   = flag.Bool("shard", false, "run in this process, and print the verdict on each seed")
	strideFlag  = flag.Uint64("stride", 1, "the distance between two seeds of this shard")
	verboseFlag = flag.Bool("verbose", false, "print the trace of each seed that fails")
)

// TestSeeds runs seeds, divided among as many processes as there are processors.
func TestSeeds(t *testing.T) {
	switch {
	case *seedFlag != 0:
		if r := simulate(t, *seedFlag, os.Stdout); r.failure != "" {
			t.Fatalf("seed %d: %s", r.seed, r.failure)
		}
		return
	case *shardFlag:
		runShard(t)
		return
	}
	began := time.Now()
	processes := uint64(runtime.NumCPU())
	report := runShards(t, os.Args[0], processes, shard{from: *fromFlag, seeds: *seedsFlag, stride: processes})
	failures, ran := 0, len(report.verdicts)
	for _, r := range report.verdicts {
		if r.Failure == "" {
			continue
		}
		failures++
		t.Errorf("seed %d: %s\n\tto see what happened: make simulate SEED=%d", r.Seed, r.Failure, r.Seed)
		if *verboseFlag && failures <= 3 {
			printTrace(os.Args[0], r.Seed)
		}
	}
	if uint64(ran) != *seedsFlag {
		t.Errorf("%d of %d seeds were run", ran, *seedsFlag)
	}
	wall := time.Since(began)
	line, err := json.Marshal(map[string]any{
		"name": "simulation_seeds", "value": math.Round(float64(ran)/wall.Seconds()*10) / 10, "unit": "seeds/s",
		"goal": "above 27.8, which is 100,000 in an hour",
		"beside": map[string]any{
			"seeds": ran, "failures": failures, "processes": processes, "wall_s": math.Round(wall.Seconds()),
			"cpu_ms_per_seed": report.cpu.Milliseconds() / int64(max(ran, 1)),
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	fmt.Println(string(line))
}

// A seed has the same faults and the same result whenever it is run. Goroutines that race within
// one instant may still change the order of lines, which is only logged.
func TestASeedReproducesItsSchedule(t *testing.T) {
	for _, seed := range []uint64{3, 17, 42} {
		first, second := simulate(t, seed, nil), simulate(t, seed, nil)
		if a, b := first.faultLines(), second.faultLines(); a != b || first.failure != second.failure {
			t.Errorf("seed %d: two runs differ: %s, %q and %q", seed, firstDifference(a, b), first.failure, second.failure)
		}
		if first.sum != second.sum {
			t.Logf("seed %d: two traces differ: %s", seed, firstDifference(first.trace, second.trace))
		}
	}
}

// faultLines returns the lines of the trace about injected faults.
func (r result) faultLines() string {
	var out []string
	for line := range strings.Lines(r.trace) {
		if strings.Contains(line, " CHAOS ") {
			out = append(out, line)
		}
	}
	return strings.Join(out, "")
}
