package kubelet

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
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
	// mounts is the mount namespace to run in. Nil: this process's.
	mounts *os.File
}

// patience says how often a program may end before the node is given up. An end after
// less than quick counts; a longer run clears the count.
type patience struct {
	quick time.Duration
	// tries before the node was ever Ready, keepTrying afterwards: then there are pods
	// to lose, which live on while the kubelet does not.
	tries      int
	keepTrying int
	backoff    time.Duration // before the first restart; doubles
	ceiling    time.Duration
}

// The default gives up in less than a minute, and in five or more once there are pods:
// then Kubernetes gives the node up, too.
var defaultPatience = patience{quick: 5 * time.Second, tries: 5, keepTrying: 60, backoff: time.Second, ceiling: 5 * time.Second}

// supervisor keeps programs running.
type supervisor struct {
	patience
	grace  time.Duration // between SIGTERM and SIGKILL
	health *health
	// proven tells that there is something to lose: then it is kept trying.
	proven func() bool
	now    func() time.Time
	log    logr.Logger
}

// supervise runs the program, and runs it again whenever it ends, until the context
// ends (then it returns nil), the patience does, or the machine can't run it at all
// (then an error with the program's last words). When the context ends the program gets
// SIGTERM, and SIGKILL after the grace.
func (s *supervisor) supervise(ctx context.Context, p *program) error {
	pause, quick := s.backoff, 0
	for {
		started := s.now()
		well := time.AfterFunc(s.quick, func() { s.health.ails(p.name, "") })
		err := p.run(ctx, s.grace)
		well.Stop()
		if ctx.Err() != nil {
			return nil
		}
		if hopeless(err) {
			return fmt.Errorf("running %s: %w: the artifact is not a program for this machine", p.name, err)
		}
		if s.now().Sub(started) >= s.quick {
			pause, quick = s.backoff, 0
		}
		if quick++; quick >= s.limit() {
			return fmt.Errorf("running %s: it ended %d times within %s of its start, at last with: %w\n%s",
				p.name, quick, s.quick, err, p.log.lastLines(10))
		}
		s.log.Info("Program ended, will be started again", "program", p.name, "reason", err.Error(), "after", pause)
		s.health.ails(p.name, fmt.Sprintf("%s ended (%s) and is started again after %s", p.name, err, pause))
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pause):
		}
		pause = min(2*pause, s.ceiling)
	}
}

func (s *supervisor) limit() int {
	if s.proven() {
		return s.keepTrying
	}
	return s.tries
}

// hopeless says that the kernel does not take the file for a program, or that its
// interpreter is missing. What else keeps a process from being made may pass.
func hopeless(err error) bool {
	var start *fs.PathError
	return errors.As(err, &start) && (errors.Is(err, syscall.ENOEXEC) || errors.Is(err, fs.ErrPermission) || errors.Is(err, fs.ErrNotExist))
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
	if err := inMounts(p.mounts, cmd.Start); err != nil {
		return err
	}
	if err := cmd.Wait(); err != nil {
		return err
	}
	return errors.New("exit status 0")
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
