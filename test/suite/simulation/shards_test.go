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

// maxSilence is the maximum time of a shard for one seed: a world that loops in one instant of
// virtual time would never end.
const maxSilence = 2 * time.Minute

// verdict is the result of a seed.
type verdict struct {
	Seed    uint64 `json:"seed"`
	Failure string `json:"failure,omitempty"`
	// Virtual is the time that the world ran, in virtual seconds.
	Virtual float64 `json:"virtual_s,omitempty"`
}

// shard is a share of the seeds. It runs in its own process with one processor, which keeps
// goroutines in order.
type shard struct {
	from, seeds, stride uint64
	// stop, if not nil, reports whether the shard may end after a verdict.
	stop func(verdict) bool
}

// runShard runs the seeds of a shard in this process.
func runShard(t *testing.T) {
	out := json.NewEncoder(os.Stdout)
	for seed := *fromFlag; seed < *fromFlag+*seedsFlag; seed += *strideFlag {
		r := simulate(t, seed, nil)
		if err := out.Encode(verdict{r.seed, r.failure, r.virtual.Seconds()}); err != nil {
			t.Fatal(err)
		}
	}
}

// report has the verdicts of all shards, and the CPU time that they used.
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

// run runs all seeds of the shard, and calls report with each verdict. When a process ends early,
// its current seed has failed, and another process goes on with the next seed.
func (s shard) run(t *testing.T, binary string, report func(verdict)) (cpu time.Duration) {
	t.Helper()
	for end := s.from + s.seeds; s.from < end; {
		next, stopped, complaint, took := s.attempt(t, binary, report)
		cpu += took
		if stopped {
			return cpu
		}
		if next < end {
			v := verdict{Seed: next, Failure: "the process ended: " + complaint}
			report(v)
			if s.stop != nil && s.stop(v) {
				return cpu
			}
			next += s.stride
		}
		s.from, s.seeds = next, end-min(next, end)
	}
	return cpu
}

// attempt runs one process, and returns the first seed that it did not finish.
func (s shard) attempt(t *testing.T, binary string, report func(verdict)) (next uint64, stopped bool, complaint string, cpu time.Duration) {
	t.Helper()
	next = s.from
	command := exec.Command(binary, "-test.run=^TestSeeds$", "-test.timeout=0", "-shard",
		fmt.Sprintf("-from=%d", s.from), fmt.Sprintf("-seeds=%d", s.seeds), fmt.Sprintf("-stride=%d", s.stride))
	command.Env = append(os.Environ(), "GOMAXPROCS=1", "GOGC=400", "GODEBUG=asyncpreemptoff=1")
	var output strings.Builder
	command.Stderr = &output
	stdout, err := command.StdoutPipe()
	if err == nil {
		err = command.Start()
	}
	if err != nil {
		t.Fatalf("starting a shard: %v", err)
	}
	silence := time.AfterFunc(maxSilence, func() { _ = command.Process.Kill() })
	defer silence.Stop()
	lines := bufio.NewScanner(stdout)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		silence.Reset(maxSilence)
		v := verdict{}
		if json.Unmarshal(lines.Bytes(), &v) != nil || v.Seed == 0 {
			fmt.Fprintln(&output, lines.Text())
			continue
		}
		report(v)
		next = v.Seed + s.stride
		if s.stop != nil && s.stop(v) {
			_ = command.Process.Kill() // enough is known
			stopped = true
			break
		}
	}
	_ = command.Wait() // its verdicts show how it ended
	return next, stopped, tail(output.String()), command.ProcessState.UserTime() + command.ProcessState.SystemTime()
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
