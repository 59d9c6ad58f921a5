package kubelet

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"

	"github.com/go-logr/logr"
)

// program is one that is to run for as long as the node does.
type program struct {
	name string
	path string
	args []string
	env  []string
	dir  string
	log  *logFile
}

// patience says how often a program may end before the node is given up. An end after
// less than quick counts; a longer run clears the count.
type patience struct {
	quick   time.Duration
	tries   int
	backoff time.Duration // before the first restart; doubles
	ceiling time.Duration
}

var defaultPatience = patience{quick: 10 * time.Second, tries: 5, backoff: time.Second, ceiling: 15 * time.Second}

// supervise runs the program, and runs it again whenever it ends, until the context
// ends (then it returns nil) or the patience does (then an error with the program's
// last words). When the context ends the program gets SIGTERM, and SIGKILL after grace.
func (p *program) supervise(ctx context.Context, limit patience, grace time.Duration, now func() time.Time, log logr.Logger) error {
	pause, quick := limit.backoff, 0
	for {
		started := now()
		err := p.run(ctx, grace)
		if ctx.Err() != nil {
			return nil
		}
		if now().Sub(started) >= limit.quick {
			pause, quick = limit.backoff, 0
		}
		if quick++; quick >= limit.tries {
			return fmt.Errorf("running %s: it ended %d times within %s of its start, at last with: %w\n%s",
				p.name, quick, limit.quick, err, p.log.lastLines(10))
		}
		log.Info("Program ended, will be started again", "program", p.name, "reason", err.Error(), "after", pause)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pause):
		}
		pause = min(2*pause, limit.ceiling)
	}
}

// run runs the program once. It always returns an error that says how it ended.
func (p *program) run(ctx context.Context, grace time.Duration) error {
	cmd := exec.CommandContext(ctx, p.path, p.args...)
	cmd.Env = p.env
	cmd.Dir = p.dir
	cmd.Stdout, cmd.Stderr = p.log, p.log
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	// After the grace SIGKILL; and what inherited its output must not hold us up.
	cmd.WaitDelay = max(grace, time.Second)
	err := cmd.Run()
	if err == nil {
		return errors.New("exit status 0")
	}
	return err
}

// once runs a helper to its end within the timeout, and returns what it wrote on failure.
func once(ctx context.Context, timeout time.Duration, env []string, path string, args ...string) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Env = env
	cmd.WaitDelay = time.Second
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w: %s", err, lastBytes(out, 500))
	}
	return nil
}

func lastBytes(b []byte, n int) string {
	return string(b[max(0, len(b)-n):])
}

func isRoot() bool { return os.Geteuid() == 0 }
