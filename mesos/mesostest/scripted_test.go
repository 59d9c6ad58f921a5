package mesostest

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

// scriptedLauncher runs no processes. It understands the few commands that occur in
// transcripts; other ones run until the test ends them. It takes the time that
// real ones took.
type scriptedLauncher struct {
	mu        sync.Mutex
	processes map[string]*scriptedProcess // by executor ID, the latest
}

const (
	startTime        = 100 * time.Millisecond
	startCommandTime = 140 * time.Millisecond
	reapTime         = 60 * time.Millisecond
)

func newScriptedLauncher() *scriptedLauncher {
	return &scriptedLauncher{processes: map[string]*scriptedProcess{}}
}

func (l *scriptedLauncher) Launch(ctx context.Context, c Container) (Process, error) {
	start := startTime
	if c.Conn == nil {
		start = startCommandTime
	}
	select {
	case <-time.After(start):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	for _, uri := range c.Command.URIs {
		if _, err := os.Stat(strings.TrimPrefix(uri.Value, "file://")); err != nil {
			time.Sleep(reapTime)
			return nil, fmt.Errorf("Failed to fetch all URIs for container '%s': exited with status 1", c.ID)
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	p := &scriptedProcess{pid: 41 + len(l.processes), container: c, done: make(chan struct{})}
	l.processes[c.Executor.ExecutorID.Value] = p
	go p.run(c.Command.GetValue())
	return p, nil
}

func (l *scriptedLauncher) process(executorID string) *scriptedProcess {
	time.Sleep(time.Millisecond) // for a launch that is due now
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.processes[executorID]
}

type scriptedProcess struct {
	pid       int
	container Container
	mu        sync.Mutex
	status    int
	ended     bool
	done      chan struct{}
}

func (p *scriptedProcess) run(command string) {
	command = command[strings.LastIndex(command, "; ")+1:] // what went before takes no time
	words := strings.Fields(strings.TrimPrefix(command, "exec "))
	switch {
	case len(words) == 2 && words[0] == "sleep":
		seconds, _ := strconv.Atoi(words[1])
		select {
		case <-time.After(time.Duration(seconds)*time.Second + reapTime):
			p.exit(0)
		case <-p.done:
		}
	case len(words) == 2 && words[0] == "exit":
		status, _ := strconv.Atoi(words[1])
		time.Sleep(reapTime)
		p.exit(status << 8)
	case command == "true":
		time.Sleep(reapTime)
		p.exit(0)
	case command == "/no/such/program":
		time.Sleep(4 * reapTime)
		p.exit(1 << 8)
	case strings.Contains(command, "/no/such/program"):
		p.exit(127 << 8)
	}
}

func (p *scriptedProcess) exit(status int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.ended {
		p.ended, p.status = true, status
		close(p.done)
	}
}

func (p *scriptedProcess) PID() int { return p.pid }

func (p *scriptedProcess) Wait() int {
	<-p.done
	return p.status
}

func (p *scriptedProcess) Terminate() {
	if !strings.Contains(p.container.Command.GetValue(), "trap '' TERM") {
		time.AfterFunc(reapTime, func() { p.exit(statusTerm) })
	}
}

func (p *scriptedProcess) Destroy() error {
	p.exit(statusKilled)
	return nil
}
