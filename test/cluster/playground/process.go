package playground

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// process is one part of the playground that runs as a program of its own, in a
// session of its own, with its output in a file.
type process struct {
	name string
	log  string
	cmd  *exec.Cmd
	done chan struct{}
	err  error
}

// command is a program to start.
type command struct {
	name string
	path string
	args []string
	env  []string
}

// startRequests starts all processes from one thread that never ends. A parent-death
// signal, which makes a process die with us, is sent when the thread ends that
// started it, and Go may end threads at any time.
var startRequests = sync.OnceValue(func() chan<- func() {
	requests := make(chan func())
	go func() {
		runtime.LockOSThread()
		for request := range requests {
			request()
		}
	}()
	return requests
})

// spawn starts a process; its output goes to logs/<name>.log.
func (d *runDir) spawn(c command) (*process, error) {
	p := &process{name: c.name, log: d.file("logs", c.name+".log"), done: make(chan struct{})}
	output, err := os.OpenFile(p.log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return nil, fmt.Errorf("opening log of %s: %w", c.name, err)
	}
	defer func() { _ = output.Close() }()
	p.cmd = exec.Command(c.path, c.args...)
	p.cmd.Dir = d.path
	p.cmd.Stdout, p.cmd.Stderr = output, output
	p.cmd.Env = append(append(environment(), "TMPDIR="+d.file("tmp"), "HOME="+d.path), c.env...)
	p.cmd.SysProcAttr = sessionAttributes()
	started := make(chan error)
	startRequests() <- func() { started <- p.cmd.Start() }
	if err := <-started; err != nil {
		return nil, fmt.Errorf("starting %s: %w", c.name, err)
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.done)
	}()
	return p, nil
}

// environment returns the environment without proxies, since all connections are local.
func environment() []string {
	return slices.DeleteFunc(os.Environ(), func(variable string) bool {
		name, _, _ := strings.Cut(strings.ToUpper(variable), "=")
		return name == "HTTP_PROXY" || name == "HTTPS_PROXY" || name == "ALL_PROXY" || name == "KUBECONFIG"
	})
}

// stop ends the process: SIGTERM, and SIGKILL to its whole session after grace.
func (p *process) stop(grace time.Duration) {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.done:
	case <-time.After(grace):
	}
	_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
	<-p.done
}

// exited returns an error with the last lines of the log, once the process has.
func (p *process) exited() error {
	select {
	case <-p.done:
		return fmt.Errorf("%s ended (%w); the end of its log:\n%s", p.name, orElse(p.err, errors.New("exit 0")), tail(p.log, 8))
	default:
		return nil
	}
}

func orElse(err, otherwise error) error {
	if err != nil {
		return err
	}
	return otherwise
}

// await calls check until it returns nil, the process exits, or the context ends.
func (p *process) await(ctx context.Context, check func(context.Context) error) error {
	err := Await(ctx, 200*time.Millisecond, func(ctx context.Context) error {
		if err := p.exited(); err != nil {
			return Final(err)
		}
		return check(ctx)
	})
	if err != nil {
		return fmt.Errorf("waiting for %s: %w", p.name, err)
	}
	return nil
}

// finalError is an error that cannot go away by waiting.
type finalError struct{ error }

func (f finalError) Unwrap() error { return f.error }

// Final marks an error as final: Await returns it at once.
func Final(err error) error { return finalError{err} }

// Await calls check at the interval until it returns nil or a final error. When
// the context ends first, it returns the last error of check.
func Await(ctx context.Context, every time.Duration, check func(context.Context) error) error {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	var last error
	for {
		err := check(ctx)
		if err == nil {
			return nil
		}
		if final := (finalError{}); errors.As(err, &final) {
			return err
		}
		if ctx.Err() == nil || last == nil {
			last = err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w (%w)", last, ctx.Err())
		case <-ticker.C:
		}
	}
}

// tail returns the last lines of a file.
func tail(file string, lines int) string {
	data, err := os.ReadFile(file)
	if err != nil {
		return err.Error()
	}
	all := strings.Split(strings.TrimRight(string(data), "\n"), "\n")
	return strings.Join(slices.Clone(all[max(0, len(all)-lines):]), "\n")
}
