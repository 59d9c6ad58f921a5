package simulation

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"github.com/go-logr/logr/funcr"
)

// traceMost bounds how much of a trace is kept: the last lines count.
const traceMost = 20000

// trace is what happened, in order.
type trace struct {
	began time.Time
	// sum is over all lines, those too that were dropped: equal sums, equal schedules.
	sum uint64
	// live, if not nil, gets each line at once.
	live io.Writer

	mu    sync.Mutex
	lines []string
	first int // index of the oldest line in the ring
	ended bool
}

// add notes what an actor did.
func (t *trace) add(actor, format string, args ...any) {
	line := fmt.Sprintf("%12.6f  %-14s %s", time.Since(t.began).Seconds(), actor, fmt.Sprintf(format, args...))
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ended {
		return
	}
	for i := range len(line) {
		t.sum = (t.sum ^ uint64(line[i])) * 0x100000001b3
	}
	if t.live != nil {
		_, _ = fmt.Fprintln(t.live, line) // a trace that cannot be read is no failure
	}
	if len(t.lines) < traceMost {
		t.lines = append(t.lines, line)
		return
	}
	t.lines[t.first] = line
	t.first = (t.first + 1) % traceMost
}

// end leaves out what follows: a world that is taken down tells nothing any more.
func (t *trace) end() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.ended = true
}

// logger writes what the product logs into a trace that somebody reads as it comes.
func (t *trace) logger(actor string) logr.Logger {
	if t.live == nil {
		return logr.Discard()
	}
	return funcr.New(func(prefix, args string) {
		t.mu.Lock()
		defer t.mu.Unlock()
		_, _ = fmt.Fprintf(t.live, "%12.6f  %-14s log %s %s\n", time.Since(t.began).Seconds(), actor, prefix, args) // as above
	}, funcr.Options{Verbosity: 1})
}

// String is the trace as far as it was kept.
func (t *trace) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.Join(append(t.lines[t.first:len(t.lines):len(t.lines)], t.lines[:t.first]...), "\n")
}
