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
}

// shard is a share of seeds, run in a process of its own: chance is a process' own, and
// one processor keeps goroutines in order.
type shard struct {
	from, seeds, stride uint64
	// stop at the first failure.
	stop bool
}

// runShard is the life of a shard's process.
func runShard(t *testing.T) {
	out := json.NewEncoder(os.Stdout)
	for seed := *fromFlag; seed < *fromFlag+*seedsFlag; seed += *strideFlag {
		r := simulate(t, seed, nil)
		if err := out.Encode(verdict{r.seed, r.failure}); err != nil {
			t.Fatal(err)
		}
	}
}

// runShards runs a share of the seeds in each process, and returns the verdicts.
func runShards(t *testing.T, binary string, processes uint64, s shard) []verdict {
	var (
		mu      sync.Mutex
		results []verdict
		wg      sync.WaitGroup
	)
	for i := range min(processes, s.seeds) {
		wg.Go(func() {
			mine := s
			mine.from, mine.seeds = s.from+i, s.seeds-i
			mine.run(t, binary, func(v verdict) {
				mu.Lock()
				defer mu.Unlock()
				results = append(results, v)
			})
		})
	}
	wg.Wait()
	return results
}

// run runs the shard's process, and has each verdict told. A process that ends before
// its time has failed at the seed that it was at.
func (s shard) run(t *testing.T, binary string, tell func(verdict)) {
	t.Helper()
	command := exec.Command(binary, "-test.run=^TestSeeds$", "-test.timeout=0", "-shard",
		fmt.Sprintf("-from=%d", s.from), fmt.Sprintf("-seeds=%d", s.seeds), fmt.Sprintf("-stride=%d", s.stride))
	command.Env = append(os.Environ(), "GOMAXPROCS=1", "GOGC=400", "GODEBUG=asyncpreemptoff=1")
	var complaint strings.Builder
	command.Stderr = &complaint
	stdout, err := command.StdoutPipe()
	if err == nil {
		err = command.Start()
	}
	if err != nil {
		t.Errorf("starting a shard: %v", err)
		return
	}
	silence := time.AfterFunc(silenceMost, func() { _ = command.Process.Kill() })
	defer silence.Stop()
	next := s.from
	lines := bufio.NewScanner(stdout)
	lines.Buffer(nil, 1<<20)
	var rest strings.Builder
	for lines.Scan() {
		silence.Reset(silenceMost)
		v := verdict{}
		if json.Unmarshal(lines.Bytes(), &v) != nil || v.Seed == 0 {
			fmt.Fprintln(&rest, lines.Text())
			continue
		}
		tell(v)
		next = v.Seed + s.stride
		if s.stop && v.Failure != "" {
			_ = command.Process.Kill() // enough is known
			_ = command.Wait()
			return
		}
	}
	_ = command.Wait() // what it says of itself is in the verdicts
	if next < s.from+s.seeds {
		tell(verdict{next, "the process ended: " + tail(rest.String()+complaint.String())})
	}
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
