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

// maxTraceLines is the maximum number of lines that a trace keeps: the last ones.
const maxTraceLines = 20000

// trace records what happens, in order.
type trace struct {
	began time.Time
	// sum is a hash over all lines, including dropped ones: equal sums mean equal schedules.
	sum uint64
	// live, if not nil, receives each line at once.
	live io.Writer

	mu    sync.Mutex
	lines []string
	first int // index of the oldest line in the ring
	ended bool
}

// add records what an actor did.
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
	if len(t.lines) < maxTraceLines {
		t.lines = append(t.lines, line)
		return
	}
	t.lines[t.first] = line
	t.first = (t.first + 1) % maxTraceLines
}

// end stops the recording, before the world is taken down.
func (t *trace) end() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.ended = true
}

// logger returns a logger for the product that writes to live, if there is one.
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

// String returns the lines that were kept.
func (t *trace) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.Join(append(t.lines[t.first:len(t.lines):len(t.lines)], t.lines[:t.first]...), "\n")
}
