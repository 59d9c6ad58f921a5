package mesostest

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestStatusOfFunctions(t *testing.T) {
	wait := Func(func(ctx context.Context, _ *Conn) error { <-ctx.Done(); return ctx.Err() })
	for name, test := range map[string]struct {
		function Func
		end      func(Process) error
		want     int
	}{
		"success":                      {func(context.Context, *Conn) error { return nil }, nil, 0},
		"failure":                      {func(context.Context, *Conn) error { return errors.New("failed") }, nil, 1 << 8},
		"Terminate ends it by SIGTERM": {wait, func(p Process) error { p.Terminate(); return nil }, 15},
		"Destroy ends it by SIGKILL":   {wait, Process.Destroy, 9},
		"the first of Terminate and Destroy counts": {
			wait,
			func(p Process) error { p.Terminate(); return p.Destroy() },
			15,
		},
		"success after Destroy is SIGKILL": {
			func(ctx context.Context, _ *Conn) error { <-ctx.Done(); return nil },
			Process.Destroy, 9,
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := startFunction(t, test.function)
			if p.PID() != 0 {
				t.Errorf("a function has the PID %d", p.PID())
			}
			if test.end != nil {
				if err := test.end(p); err != nil {
					t.Fatal(err)
				}
			}
			for range 2 {
				if got := p.Wait(); got != test.want {
					t.Errorf("got status %d, want %d", got, test.want)
				}
			}
			if err := p.Destroy(); err != nil {
				t.Errorf("destroying what has ended: %v", err)
			}
		})
	}
}

// startFunction starts a function in a container without an agent.
func startFunction(t *testing.T, f Func) Process {
	t.Helper()
	p := &functionProcess{done: make(chan struct{})}
	ctx, cancel := context.WithCancel(t.Context())
	p.cancel = cancel
	p.cause.Store(statusKilled)
	go func() {
		defer close(p.done)
		p.status = p.run(ctx, f, &Conn{})
	}()
	return p
}

func TestCommandsOfFunctionsRunUntilTheyEnd(t *testing.T) {
	p, err := Func(AutoRun).Launch(t.Context(), Container{ID: "c"})
	if err != nil {
		t.Fatal(err)
	}
	p.Terminate()
	if got := p.Wait(); got != statusTerm {
		t.Errorf("got status %d, want %d", got, statusTerm)
	}
}

func TestFunctionOutlivesTheContextOfItsLaunch(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	p, err := Func(AutoRun).Launch(ctx, Container{ID: "c"})
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	select {
	case <-p.(*functionProcess).done:
		t.Error("it ended with the context of its launch")
	case <-time.After(10 * time.Millisecond):
	}
	if err := p.Destroy(); err != nil {
		t.Fatal(err)
	}
	if _, err := Func(AutoRun).Launch(ctx, Container{ID: "d"}); !errors.Is(err, context.Canceled) {
		t.Errorf("a launch that was given up: got %v", err)
	}
}

func TestFunctionThatDoesNotReturn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		p := startFunction(t, func(context.Context, *Conn) error { <-release; return nil })
		start := time.Now()
		if err := p.Destroy(); err == nil {
			t.Error("destroying it is no error")
		}
		if took := time.Since(start); took != destroyTimeout {
			t.Errorf("it took %s, want %s", took, destroyTimeout)
		}
		close(release)
		p.Wait()
	})
}

func TestNamesOfSignals(t *testing.T) {
	for number, want := range map[int]string{
		2: "Interrupt", 6: "Aborted", 9: "Killed", 11: "Segmentation fault", 15: "Terminated", 1: "signal 1", 64: "signal 64",
	} {
		if got := signalName(number); got != want {
			t.Errorf("%d: got %s, want %s", number, got, want)
		}
	}
}
