package playground

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestAwaitEndsWithTheFirstSuccessAndTheFirstFinalError(t *testing.T) {
	calls := 0
	err := Await(t.Context(), time.Millisecond, func(context.Context) error {
		if calls++; calls < 3 {
			return errors.New("not yet")
		}
		return nil
	})
	if err != nil || calls != 3 {
		t.Errorf("got %v after %d calls, want success after 3", err, calls)
	}
	never := errors.New("never")
	err = Await(t.Context(), time.Hour, func(context.Context) error { return Final(never) })
	if !errors.Is(err, never) {
		t.Errorf("got %v, want %v", err, never)
	}
}

func TestAwaitTellsWhatItWaitedFor(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	err := Await(ctx, time.Millisecond, func(ctx context.Context) error {
		if ctx.Err() != nil {
			return ctx.Err() // as a client does when its time is up
		}
		return errors.New("the node is not ready")
	})
	if err == nil || !strings.Contains(err.Error(), "the node is not ready") || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want what it waited for, and that the time is up", err)
	}
}

func TestProcessThatEndsEarlyIsToldWithItsLastWords(t *testing.T) {
	p, err := testDir(t).spawn(command{name: "short", path: "/bin/sh", args: []string{"-c", "echo cannot go on; exit 3"}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	err = p.await(ctx, func(context.Context) error { return errors.New("not ready") })
	if err == nil || !strings.Contains(err.Error(), "cannot go on") || !strings.Contains(err.Error(), "exit status 3") {
		t.Errorf("got %v", err)
	}
}

func TestStopKillsASessionThatDoesNotListen(t *testing.T) {
	dir := testDir(t)
	p, err := dir.spawn(command{name: "stubborn", path: "/bin/sh", args: []string{"-c", "trap '' TERM; echo $$; sleep 1000 & wait; sleep 1000"}})
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(100 * time.Millisecond)
	p.stop(100 * time.Millisecond)
	if err := p.exited(); err == nil {
		t.Error("it still runs")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	err = Await(ctx, 20*time.Millisecond, func(context.Context) error {
		if left := processesMentioning(dir.path); len(left) > 0 {
			return errors.New("its children still run")
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

func TestPartsSeeNoProxyAndNoOtherCluster(t *testing.T) {
	t.Setenv("https_proxy", "http://proxy:3128")
	t.Setenv("KUBECONFIG", "/somebody/elses")
	for _, variable := range environment() {
		if strings.HasPrefix(variable, "https_proxy") || strings.HasPrefix(variable, "KUBECONFIG") {
			t.Errorf("parts see %s", variable)
		}
	}
}

func TestRunDirKeepsNothingButLogs(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	for keep, want := range map[bool]int{true: 1, false: 0} {
		dir, id, err := newRunDir()
		if err != nil {
			t.Fatal(err)
		}
		if filepath.Base(dir.path) != runDirPrefix+id {
			t.Errorf("run %s is in %s", id, dir.path)
		}
		if _, err := takeLock(dir.path); err == nil {
			t.Error("a run that lives can be taken for dead")
		}
		if err := dir.remove(keep); err != nil {
			t.Fatal(err)
		}
		entries, _ := os.ReadDir(dir.path)
		if len(entries) != want {
			t.Errorf("with keep %t, %v is left", keep, entries)
		}
	}
}

func TestNextRunSweepsUpAfterADeadOne(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	dead, id, err := newRunDir()
	if err != nil {
		t.Fatal(err)
	}
	if err := dead.writeRecord(record{ID: id}); err != nil {
		t.Fatal(err)
	}
	said := 0
	say := func(string) { said++ }
	if err := sweepDeadRuns(say); err != nil || said != 0 {
		t.Fatalf("swept a run that lives: %v", err)
	}
	_ = dead.lock.Close() // as the kernel does for a killed process
	if err := sweepDeadRuns(say); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(dead.path); !errors.Is(err, os.ErrNotExist) || said != 1 {
		t.Errorf("the dead run is still there: %v", err)
	}
}
