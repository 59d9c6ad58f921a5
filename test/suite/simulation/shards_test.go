package simulation

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"
)

// silenceMost is how long a shard may take for one seed: a world that spins in one
// instant of virtual time would never end.
const silenceMost = 2 * time.Minute

// verdict is what a shard says of a seed.
type verdict struct {
	Seed    uint64 `json:"seed"`
	Failure string `json:"failure,omitempty"`
	// Virtual seconds that the world lived.
	Virtual float64 `json:"virtual_s,omitempty"`
}

// shard is a share of seeds, run in a process of its own: chance is a process' own, and
// one processor keeps goroutines in order.
type shard struct {
	from, seeds, stride uint64
	// stop, if not nil, tells whether a verdict is enough.
	stop func(verdict) bool
}

// runShard is the life of a shard's process.
func runShard(t *testing.T) {
	out := json.NewEncoder(os.Stdout)
	for seed := *fromFlag; seed < *fromFlag+*seedsFlag; seed += *strideFlag {
		r := simulate(t, seed, nil)
		if err := out.Encode(verdict{r.seed, r.failure, r.virtual.Seconds()}); err != nil {
			t.Fatal(err)
		}
	}
}

// report is what the shards made of their seeds.
type report struct {
	verdicts []verdict
	cpu      time.Duration
}

// runShards runs a share of the seeds in each process, and returns the verdicts.
func runShards(t *testing.T, binary string, processes uint64, s shard) (out report) {
	var (
		mu sync.Mutex
		wg sync.WaitGroup
	)
	for i := range min(processes, s.seeds) {
		wg.Go(func() {
			mine := s
			mine.from, mine.seeds = s.from+i, s.seeds-i
			cpu := mine.run(t, binary, func(v verdict) {
				mu.Lock()
				defer mu.Unlock()
				out.verdicts = append(out.verdicts, v)
			})
			mu.Lock()
			defer mu.Unlock()
			out.cpu += cpu
		})
	}
	wg.Wait()
	return out
}

// run runs all seeds of the shard, and has each verdict told. A process that ends before
// its time has failed at the seed that it was at; another goes on behind it.
func (s shard) run(t *testing.T, binary string, tell func(verdict)) (cpu time.Duration) {
	t.Helper()
	for end := s.from + s.seeds; s.from < end; {
		next, stopped, complaint, took := s.attempt(t, binary, tell)
		cpu += took
		if stopped {
			return cpu
		}
		if next < end {
			v := verdict{Seed: next, Failure: "the process ended: " + complaint}
			tell(v)
			if s.stop != nil && s.stop(v) {
				return cpu
			}
			next += s.stride
		}
		s.from, s.seeds = next, end-min(next, end)
	}
	return cpu
}

// attempt runs one process, and returns the seed that it did not come to.
func (s shard) attempt(t *testing.T, binary string, tell func(verdict)) (next uint64, stopped bool, complaint string, cpu time.Duration) {
	t.Helper()
	next = s.from
	command := exec.Command(binary, "-test.run=^TestSeeds$", "-test.timeout=0", "-shard",
		fmt.Sprintf("-from=%d", s.from), fmt.Sprintf("-seeds=%d", s.seeds), fmt.Sprintf("-stride=%d", s.stride))
	command.Env = append(os.Environ(), "GOMAXPROCS=1", "GOGC=400", "GODEBUG=asyncpreemptoff=1")
	var said strings.Builder
	command.Stderr = &said
	stdout, err := command.StdoutPipe()
	if err == nil {
		err = command.Start()
	}
	if err != nil {
		t.Fatalf("starting a shard: %v", err)
	}
	silence := time.AfterFunc(silenceMost, func() { _ = command.Process.Kill() })
	defer silence.Stop()
	lines := bufio.NewScanner(stdout)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		silence.Reset(silenceMost)
		v := verdict{}
		if json.Unmarshal(lines.Bytes(), &v) != nil || v.Seed == 0 {
			fmt.Fprintln(&said, lines.Text())
			continue
		}
		tell(v)
		next = v.Seed + s.stride
		if s.stop != nil && s.stop(v) {
			_ = command.Process.Kill() // enough is known
			stopped = true
			break
		}
	}
	_ = command.Wait() // what it says of itself is in the verdicts
	return next, stopped, tail(said.String()), command.ProcessState.UserTime() + command.ProcessState.SystemTime()
}

func tail(text string) string {
	const most = 2000
	text = strings.TrimSpace(text)
	return text[:min(len(text), most)]
}

// printTrace runs a seed again, to show what happened.
func printTrace(binary string, seed uint64) {
	command := exec.Command(binary, "-test.run=^TestSeeds$", fmt.Sprintf("-seed=%d", seed))
	command.Env = append(os.Environ(), "GOMAXPROCS=1", "GODEBUG=asyncpreemptoff=1")
	command.Stdout, command.Stderr = os.Stdout, os.Stderr
	_ = command.Run() // it fails, as it did
}

// firstDifference between two traces.
func firstDifference(a, b string) string {
	left, right := strings.Split(a, "\n"), strings.Split(b, "\n")
	for i := range min(len(left), len(right)) {
		if left[i] != right[i] {
			return fmt.Sprintf("line %d:\n\t%s\n\t%s", i+1, left[i], right[i])
		}
	}
	return fmt.Sprintf("%d lines against %d", len(left), len(right))
}
