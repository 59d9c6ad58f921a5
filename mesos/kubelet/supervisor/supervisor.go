// Package supervisor keeps programs running: it starts them, starts them again when they
// end, gives up after too many quick ends, stops them, and keeps their log files within
// bounds.
//
// It refuses to know what the programs are for. Package kubelet runs the kubelet and
// containerd by it.
package supervisor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os/exec"
	"syscall"
	"time"

	"github.com/go-logr/logr"
)

// Program is one that is to run for as long as the node does.
type Program struct {
	Name string // for messages
	Path string
	Args []string
	Env  []string // KEY=value
	Dir  string   // the working folder
	Log  *LogFile // of standard output and standard error
	// Within calls start where the program is to be started, in another mount namespace for
	// example. Nil: here.
	Within func(start func() error) error
}

// RestartPolicy limits how often a program may end before it is given up. An end after less
// than Quick counts; a longer run clears the count.
type RestartPolicy struct {
	Quick time.Duration
	// Tries is the limit before the node was Ready, and ProvenTries the limit afterwards:
	// then there are pods to lose, which live on while the kubelet does not.
	Tries       int
	ProvenTries int
	// Backoff is the pause before the first restart. It doubles up to MaxBackoff.
	Backoff    time.Duration
	MaxBackoff time.Duration
}

// DefaultPolicy gives up in less than a minute, and in five or more once there are pods:
// after that time Kubernetes gives the node up, too.
var DefaultPolicy = RestartPolicy{Quick: 5 * time.Second, Tries: 5, ProvenTries: 60, Backoff: time.Second, MaxBackoff: 5 * time.Second}

// Supervisor keeps programs running.
type Supervisor struct {
	RestartPolicy
	// Grace is the time between SIGTERM and SIGKILL, at least a second.
	Grace time.Duration
	// SetProblem is called with what is wrong with a program, or with an empty problem when
	// the program is well again.
	SetProblem func(program, problem string)
	// Proven reports whether there is something to lose: then ProvenTries is the limit.
	Proven func() bool
	Now    func() time.Time
	Log    logr.Logger
}

// Run runs the program, and again whenever it ends, until the context ends (then it returns
// nil), until the policy gives the program up, or until the machine turns out to be unable
// to run it (then it returns an error with the program's last lines). When the context ends
// the program gets SIGTERM, and SIGKILL after the grace.
func (s *Supervisor) Run(ctx context.Context, p *Program) error {
	pause, quick := s.Backoff, 0
	for {
		started := s.Now()
		well := time.AfterFunc(s.Quick, func() { s.SetProblem(p.Name, "") })
		err := p.run(ctx, s.Grace)
		well.Stop()
		if ctx.Err() != nil {
			return nil
		}
		if cannotRun(err) {
			return fmt.Errorf("running %s: %w: the artifact is not a program for this machine", p.Name, err)
		}
		if s.Now().Sub(started) >= s.Quick {
			pause, quick = s.Backoff, 0
		}
		if quick++; quick >= s.limit() {
			return fmt.Errorf("running %s: it ended %d times within %s of its start, at last with: %w\n%s",
				p.Name, quick, s.Quick, err, p.Log.LastLines(10))
		}
		s.Log.Info("Program ended, will be started again", "program", p.Name, "reason", err.Error(), "after", pause)
		s.SetProblem(p.Name, fmt.Sprintf("%s ended (%s) and is started again after %s", p.Name, err, pause))
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pause):
		}
		pause = min(2*pause, s.MaxBackoff)
	}
}

func (s *Supervisor) limit() int {
	if s.Proven() {
		return s.ProvenTries
	}
	return s.Tries
}

// cannotRun reports whether the kernel does not take the file for a program, or its
// interpreter is missing. Anything else that keeps a process from being made may pass.
func cannotRun(err error) bool {
	var start *fs.PathError
	return errors.As(err, &start) && (errors.Is(err, syscall.ENOEXEC) || errors.Is(err, fs.ErrPermission) || errors.Is(err, fs.ErrNotExist))
}

// run runs the program once. It always returns an error with the way in which it ended.
func (p *Program) run(ctx context.Context, grace time.Duration) error {
	cmd := exec.CommandContext(ctx, p.Path, p.Args...)
	cmd.Env = p.Env
	cmd.Dir = p.Dir
	cmd.Stdout, cmd.Stderr = p.Log, p.Log
	cmd.Cancel = func() error {
		err := cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Process.Signal(syscall.SIGCONT) // one that was stopped would not see the other
		return err
	}
	// SIGKILL follows after the grace, and processes that inherited the output do not hold
	// up the end for longer.
	cmd.WaitDelay = max(grace, time.Second)
	start := cmd.Start
	if p.Within != nil {
		start = func() error { return p.Within(cmd.Start) }
	}
	if err := start(); err != nil {
		return err
	}
	if err := cmd.Wait(); err != nil {
		return err
	}
	return errors.New("exit status 0")
}

// RunOnce runs a program to its end within the timeout. The error of one that fails holds
// the end of what it wrote.
func RunOnce(ctx context.Context, timeout time.Duration, env []string, path string, args ...string) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Env = env
	cmd.WaitDelay = time.Second
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w: %s", err, LastBytes(out, 500))
	}
	return nil
}

// LastBytes returns up to n bytes from the end of b.
func LastBytes(b []byte, n int) string {
	return string(b[max(0, len(b)-n):])
}
