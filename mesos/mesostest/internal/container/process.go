// Package container runs containers as processes of this host: a sandbox, fetched files, a
// cgroup, a network namespace, and a command.
//
// It knows nothing of frameworks, executors and tasks.
package container

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"time"

	mesos "github.com/mesos/mesos-go/api/v1/lib"

	"github.com/k8sm/k8sm/mesos/mesostest/internal/cgroup"
	"github.com/k8sm/k8sm/mesos/mesostest/internal/fetcher"
	"github.com/k8sm/k8sm/mesos/mesostest/internal/mesoserror"
	"github.com/k8sm/k8sm/mesos/mesostest/internal/netns"
)

const usualPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// destroyTimeout bounds the wait for the end of a process that was killed.
const destroyTimeout = 10 * time.Second

// Launcher starts containers as processes.
type Launcher struct {
	// cgroupRoot is the name of the cgroup above the containers' own, below the root of
	// each hierarchy. If it is empty, containers have no cgroup.
	CgroupRoot string
	// path is the PATH that containers get. If it is empty, they get a usual one.
	Path string
}

// Spec is what to start, and where.
type Spec struct {
	ID      string
	Command mesos.CommandInfo
	Limits  cgroup.Limits
	Sandbox string   // the working directory; it is made
	Env     []string // as KEY=value
	NetNS   string   // the path of a network namespace; empty for that of this process
}

// enterScript puts the shell that runs it into cgroups, then becomes the command:
// sh -c enter sh N FILE... COMMAND..., where each file is a cgroup.procs.
const enterScript = `n=$1; shift
while [ "$n" -gt 0 ]; do echo $$ > "$1" || exit 125; shift; n=$((n-1)); done
exec "$@"`

// Launch makes the sandbox, fetches into it, makes the cgroup, and starts the command. An
// error leaves nothing behind but the sandbox.
func (l Launcher) Launch(ctx context.Context, c Spec) (*Process, error) {
	if err := makeSandbox(c.Sandbox); err != nil {
		return nil, fmt.Errorf("making sandbox: %w", err)
	}
	if err := fetcher.Fetch(ctx, c.Command.URIs, c.Sandbox); err != nil {
		_ = os.WriteFile(filepath.Join(c.Sandbox, "stderr"), []byte(err.Error()+"\n"), 0o644)
		return nil, mesoserror.Errorf("Failed to fetch all URIs for container '%s': exited with status 1", c.ID)
	}
	group, err := cgroup.Make(l.CgroupRoot, c.ID, c.Limits)
	if err != nil {
		return nil, fmt.Errorf("making cgroup: %w", err)
	}
	p, err := l.start(ctx, c, group)
	if err != nil {
		_ = group.Destroy()
		return nil, err
	}
	return p, nil
}

func (l Launcher) start(ctx context.Context, c Spec, group *cgroup.Group) (*Process, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	stdout, err := openLog(c.Sandbox, "stdout")
	if err != nil {
		return nil, err
	}
	defer stdout.Close()
	stderr, err := openLog(c.Sandbox, "stderr")
	if err != nil {
		return nil, err
	}
	defer stderr.Close()

	args := append([]string{"-c", enterScript, "sh", fmt.Sprint(len(group.ProcsFiles()))}, group.ProcsFiles()...)
	cmd := exec.Command("/bin/sh", append(args, arguments(c.Command)...)...)
	cmd.Dir = c.Sandbox
	cmd.Env = l.environment(c)
	cmd.Stdout, cmd.Stderr = stdout, stderr
	cmd.SysProcAttr = ownProcessGroup()
	if err := netns.Run(c.NetNS, cmd.Start); err != nil {
		return nil, fmt.Errorf("starting command: %w", err)
	}
	p := &Process{cmd: cmd, group: group, done: make(chan struct{})}
	go p.reap()
	return p, nil
}

func openLog(sandbox, name string) (*os.File, error) {
	return os.OpenFile(filepath.Join(sandbox, name), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
}

// environment has the launcher's PATH first, so that the command's own wins.
func (l Launcher) environment(c Spec) []string {
	path := l.Path
	if path == "" {
		path = usualPath
	}
	return append([]string{"PATH=" + path}, c.Env...)
}

// arguments of the command. A program that is not there still is a command that
// runs, and ends with status 1.
func arguments(c mesos.CommandInfo) []string {
	if c.Shell == nil || *c.Shell {
		return []string{"/bin/sh", "-c", c.GetValue()}
	}
	if _, err := exec.LookPath(c.GetValue()); err != nil {
		return []string{"/bin/sh", "-c", `echo "$1" >&2; exit 1`, "sh", err.Error()}
	}
	args := []string{c.GetValue()}
	if len(c.Arguments) > 1 { // the first one is the program's name for itself
		args = append(args, c.Arguments[1:]...)
	}
	return args
}

// Process is a container that is a process and what it started.
type Process struct {
	cmd    *exec.Cmd
	group  *cgroup.Group // nil without
	done   chan struct{}
	status int

	mu     sync.Mutex
	reaped bool // its number may be another's by now
}

// reap kills what the process leaves behind before it is reaped itself: later, the
// group's number may be given to others.
func (p *Process) reap() {
	exited := awaitExit(p.PID())
	if exited {
		p.signal(killGroup)
	}
	_ = p.cmd.Wait()
	if !exited {
		killGroup(p.PID())
	}
	p.mu.Lock()
	p.reaped = true
	p.mu.Unlock()
	p.status = rawStatus(p.cmd.ProcessState)
	close(p.done)
}

// signal the process group, unless it is gone.
func (p *Process) signal(send func(pid int)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.reaped {
		send(p.PID())
	}
}

// PID of the command.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Wait blocks until the command has exited, and returns its raw wait status.
func (p *Process) Wait() int {
	<-p.done
	return p.status
}

// Terminate sends SIGTERM to the process group.
func (p *Process) Terminate() { p.signal(terminateGroup) }

// limitEvery is the time between two looks at the memory of a container.
const limitEvery = 250 * time.Millisecond

// AwaitMemoryLimit waits until the container needs more memory than its limit, and returns a
// message, or until the container ends, and returns nothing.
func (p *Process) AwaitMemoryLimit() string {
	tick := time.NewTicker(limitEvery)
	defer tick.Stop()
	for {
		select {
		case <-p.done:
			return ""
		case <-tick.C:
		}
		if p.group.HasOOM() {
			return "Memory limit exceeded: "
		}
	}
}

// Destroy kills the process group and the cgroup, again and again until both are
// empty: what runs may still be starting more.
func (p *Process) Destroy() error {
	p.signal(killGroup)
	if err := p.group.Destroy(); err != nil {
		return fmt.Errorf("destroying container: %w", err)
	}
	select {
	case <-p.done:
		return nil
	case <-time.After(destroyTimeout):
		return fmt.Errorf("destroying container: process %d does not end", p.PID())
	}
}

// makeSandbox makes the directory of a container, and the link to the latest run.
func makeSandbox(path string) error {
	if err := os.MkdirAll(path, 0o755); err != nil {
		return err
	}
	latest := filepath.Join(filepath.Dir(path), "latest")
	_ = os.Remove(latest)
	return os.Symlink(path, latest)
}
