package supervisor

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/google/go-cmp/cmp"

	"github.com/k8sm/k8sm/mesos/kubelet/kubelettest"
)

func script(t *testing.T, text string) *Program {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, "program")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+text), 0o755); err != nil {
		t.Fatal(err)
	}
	log, err := openLog(filepath.Join(dir, "log"), logLimit)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = log.Close() })
	return &Program{Name: "kubelet", Path: path, Env: os.Environ(), Dir: dir, Log: log}
}

var shortPolicy = RestartPolicy{Quick: 10 * time.Second, Tries: 3, ProvenTries: 6, Backoff: time.Millisecond, MaxBackoff: 4 * time.Millisecond}

// problems are the problems that a supervisor reported, in order and without repetitions.
type problems struct {
	mu   sync.Mutex
	list []string
}

func (p *problems) set(program, problem string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.list) == 0 && problem == "" || len(p.list) > 0 && p.list[len(p.list)-1] == problem {
		return
	}
	if program != "kubelet" {
		problem = "of another program: " + problem
	}
	p.list = append(p.list, problem)
}

func (p *problems) all() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.list)
}

// supervise returns a supervisor of programs that have not proven themselves yet, and the
// problems that it reports.
func supervise(policy RestartPolicy, grace time.Duration) (*Supervisor, *problems) {
	reported := &problems{}
	return &Supervisor{
		RestartPolicy: policy, Grace: grace, Now: time.Now, Log: logr.Discard(),
		SetProblem: reported.set, Proven: func() bool { return false },
	}, reported
}

func TestRepeatedlyFailingProgramEndsWithItsLastLogLines(t *testing.T) {
	p := script(t, "echo once >> runs; echo 'failed to load kubeconfig'; exit 3")
	s, _ := supervise(shortPolicy, time.Second)
	err := s.Run(t.Context(), p)
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{"running kubelet", "3 times", "exit status 3", "failed to load kubeconfig"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in: %v", want, err)
		}
	}
	if runs, _ := os.ReadFile(filepath.Join(p.Dir, "runs")); strings.Count(string(runs), "once") != 3 {
		t.Errorf("runs: %q", runs)
	}
}

// Once a node has pods, a failing program is restarted more often before the node ends.
func TestReadyNodeGetsMoreRestarts(t *testing.T) {
	p := script(t, "echo once >> runs; exit 3")
	s, reported := supervise(shortPolicy, time.Second)
	s.Proven = func() bool { return true }
	if err := s.Run(t.Context(), p); err == nil || !strings.Contains(err.Error(), "6 times") {
		t.Errorf("error is %v", err)
	}
	var want []string
	for _, pause := range []string{"1ms", "2ms", "4ms"} {
		want = append(want, "kubelet ended (exit status 3) and is started again after "+pause)
	}
	if diff := cmp.Diff(want, reported.all()); diff != "" {
		t.Errorf("reports, each once (-want +got):\n%s", diff)
	}
}

func TestRecoveredProgramHasNoProblem(t *testing.T) {
	p := script(t, "test -e again && exec sleep 60; touch again; exit 1")
	s, reported := supervise(RestartPolicy{Quick: 300 * time.Millisecond, Tries: 3, Backoff: time.Millisecond, MaxBackoff: time.Millisecond}, time.Second)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- s.Run(ctx, p) }()
	for range 1000 {
		if len(reported.all()) == 2 {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	want := []string{"kubelet ended (exit status 1) and is started again after 1ms", ""}
	if diff := cmp.Diff(want, reported.all()); diff != "" {
		t.Errorf("reports (-want +got):\n%s", diff)
	}
}

func TestUnexecutableProgramIsNotRestarted(t *testing.T) {
	tests := map[string]struct{ content, wantError string }{
		"a program for another architecture": {"\x7fELF\x02\x01\x01 but nothing more", "exec format error"},
		"a script without its interpreter":   {"#!/no/such/shell\n", "no such file"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			p := script(t, "")
			if err := os.WriteFile(p.Path, []byte(tc.content), 0o755); err != nil {
				t.Fatal(err)
			}
			s, reported := supervise(shortPolicy, time.Second)
			err := s.Run(t.Context(), p)
			if err == nil || !strings.Contains(err.Error(), tc.wantError) || !strings.Contains(err.Error(), "not a program for this machine") {
				t.Errorf("error is %v", err)
			}
			if len(reported.all()) > 0 {
				t.Errorf("it was tried again: %v", reported.all())
			}
		})
	}
}

func TestProgramThatRanForLongMayEnd(t *testing.T) {
	p := script(t, "echo once >> runs; test $(wc -l < runs) -ge 8 && touch done; exit 1")
	clock := time.Unix(0, 0)
	ctx, cancel := context.WithCancel(t.Context())
	now := func() time.Time {
		clock = clock.Add(time.Minute) // each run takes a minute of this clock
		if _, err := os.Stat(filepath.Join(p.Dir, "done")); err == nil {
			cancel()
		}
		return clock
	}
	s, _ := supervise(shortPolicy, time.Second)
	s.Now = now
	if err := s.Run(ctx, p); err != nil {
		t.Errorf("given up after long runs: %v", err)
	}
}

func TestStoppingAProgram(t *testing.T) {
	tests := map[string]string{
		"a program that ends at SIGTERM":           "trap 'exit 0' TERM; touch up; while :; do sleep 0.01; done",
		"a program that ignores SIGTERM":           "trap '' TERM; touch up; while :; do sleep 0.01; done",
		"a program whose child keeps the log open": "sleep 60 & echo $! > child; trap 'exit 0' TERM; touch up; while :; do sleep 0.01; done",
	}
	for name, text := range tests {
		t.Run(name, func(t *testing.T) {
			p := script(t, text)
			ctx, cancel := context.WithCancel(t.Context())
			ended := make(chan error)
			s, _ := supervise(shortPolicy, 100*time.Millisecond)
			go func() { ended <- s.Run(ctx, p) }()
			kubelettest.AwaitFile(t, filepath.Join(p.Dir, "up"))
			cancel()
			select {
			case err := <-ended:
				if err != nil {
					t.Error(err)
				}
			case <-time.After(10 * time.Second):
				t.Error("it still runs")
			}
			if child, err := os.ReadFile(filepath.Join(p.Dir, "child")); err == nil {
				_ = RunOnce(t.Context(), time.Second, nil, "/bin/kill", strings.TrimSpace(string(child)))
			}
		})
	}
}

func TestLogIsBounded(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	l, err := openLog(path, 1000)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	line := strings.Repeat("x", 99) + "\n"
	for range 1000 {
		if n, err := l.Write([]byte(line)); n != 100 || err != nil {
			t.Fatal(n, err)
		}
	}
	_, _ = l.Write([]byte("last but one\nlast\n"))
	for _, file := range []string{path, path + ".1"} {
		if info, err := os.Stat(file); err != nil || info.Size() > 1100 {
			t.Errorf("%s: %v, %v", file, info, err)
		}
	}
	if got := l.LastLines(2); got != "last but one\nlast" {
		t.Errorf("last lines are %q", got)
	}
}

func TestRunOnceErrorQuotesTheOutput(t *testing.T) {
	err := RunOnce(t.Context(), 5*time.Second, nil, "/bin/sh", "-c", "echo bad archive >&2; exit 1")
	if err == nil || !strings.Contains(err.Error(), "bad archive") {
		t.Errorf("error is %v", err)
	}
	if err := RunOnce(t.Context(), 50*time.Millisecond, nil, "/bin/sleep", "10"); err == nil {
		t.Error("no bound")
	}
}

func TestWithinWrapsEachStart(t *testing.T) {
	p := script(t, "exit 0")
	starts := 0
	p.Within = func(start func() error) error { starts++; return start() }
	s, _ := supervise(shortPolicy, time.Second)
	if err := s.Run(t.Context(), p); err == nil || starts != 3 {
		t.Errorf("started %d times there, error %v", starts, err)
	}
}

// The first lines of a line that was cut are left out, and so is more than was asked for.
func TestLastLinesOmitCutLines(t *testing.T) {
	l, err := openLog(filepath.Join(t.TempDir(), "log"), logLimit)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = l.Write([]byte(strings.Repeat("x", 2*tailLimit) + "\nwhole\nlast"))
	if got := l.LastLines(10); got != "whole\nlast" {
		t.Errorf("last lines are %q", got)
	}
	if err := errors.Join(l.Close(), l.Close()); err != nil {
		t.Error(err)
	}
	if _, err := l.Write([]byte(" words")); err != nil || l.LastLines(1) != "last words" {
		t.Errorf("after its end: %q, %v", l.LastLines(1), err)
	}
}

func TestLastBytes(t *testing.T) {
	for text, want := range map[string]string{"": "", "ab": "ab", "abc": "abc", "abcd": "bcd"} {
		if got := LastBytes([]byte(text), 3); got != want {
			t.Errorf("last bytes of %q are %q", text, got)
		}
	}
	if _, err := OpenLog(filepath.Join(t.TempDir(), "none", "log")); err == nil {
		t.Error("a log in a folder that is not there")
	}
}

// SIGSTOP, or a debugger, keeps a program from seeing SIGTERM.
func TestStoppedProgramIsEndedAllTheSame(t *testing.T) {
	tests := map[string]struct{ text, want string }{
		"one that handles SIGTERM": {"trap 'echo handled; exit 0' TERM\necho up >up; kill -STOP $$\nsleep 60 & wait", "handled"},
		"one that stops again":     {"trap 'kill -STOP $$' TERM CONT\necho up >up; kill -STOP $$\nwhile :; do sleep 0.01; done", ""},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			p := script(t, tc.text)
			ctx, cancel := context.WithCancel(t.Context())
			ended := make(chan error, 1)
			go func() { ended <- p.run(ctx, time.Second) }()
			kubelettest.AwaitFile(t, filepath.Join(p.Dir, "up"))
			time.Sleep(50 * time.Millisecond)
			cancel()
			select {
			case <-ended:
			case <-time.After(10 * time.Second):
				t.Fatal("it is still there after 10 s")
			}
			if got := p.Log.LastLines(1); got != tc.want {
				t.Errorf("it wrote %q", got)
			}
		})
	}
}
