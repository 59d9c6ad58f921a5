package mesostest

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"
)

// destroyTimeout bounds the wait for a container that is being destroyed.
const destroyTimeout = 10 * time.Second

const (
	statusSuccess = 0
	statusFailure = 1 << 8
	statusTerm    = 15
	statusKilled  = 9
)

// Launch implements Launcher.
func (f Func) Launch(ctx context.Context, c Container) (Process, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	// The context of Launch ends with the launch; this one with the container.
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	p := &functionProcess{cancel: cancel, done: make(chan struct{})}
	p.cause.Store(statusKilled)
	if c.Conn != nil {
		c.Conn.subscribe()
	}
	go func() {
		defer close(p.done)
		p.status = p.run(ctx, f, c.Conn)
		cancel()
	}()
	return p, nil
}

// functionProcess is a container that is a goroutine.
type functionProcess struct {
	cancel context.CancelFunc
	cause  atomic.Int32 // the status if the container is made to end
	done   chan struct{}
	status int
}

func (p *functionProcess) run(ctx context.Context, f Func, conn *Conn) int {
	if conn == nil { // a command task, which runs until it is killed
		<-ctx.Done()
		return int(p.cause.Load())
	}
	err := f(ctx, conn)
	switch {
	case ctx.Err() != nil:
		return int(p.cause.Load())
	case err != nil:
		return statusFailure
	}
	return statusSuccess
}

func (p *functionProcess) PID() int { return 0 }

func (p *functionProcess) Wait() int {
	<-p.done
	return p.status
}

func (p *functionProcess) Terminate() {
	p.cause.Store(statusTerm)
	p.cancel()
}

func (p *functionProcess) Destroy() error {
	p.cancel()
	select {
	case <-p.done:
		return nil
	default:
	}
	timer := time.NewTimer(destroyTimeout)
	defer timer.Stop()
	select {
	case <-p.done:
		return nil
	case <-timer.C:
		return fmt.Errorf("destroying container: its function did not return within %s of its context's end", destroyTimeout)
	}
}
