package kubelet

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
)

func script(t *testing.T, text string) *program {
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
	return &program{name: "kubelet", path: path, env: os.Environ(), dir: dir, log: log}
}

var shortPatience = patience{quick: 10 * time.Second, tries: 3, backoff: time.Millisecond, ceiling: 4 * time.Millisecond}

func TestProgramThatKeepsEndingIsGivenUpWithItsLastWords(t *testing.T) {
	p := script(t, "echo once >> runs; echo 'failed to load kubeconfig'; exit 3")
	err := p.supervise(t.Context(), shortPatience, time.Second, time.Now, logr.Discard())
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{"running kubelet", "3 times", "exit status 3", "failed to load kubeconfig"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in: %v", want, err)
		}
	}
	if runs, _ := os.ReadFile(filepath.Join(p.dir, "runs")); strings.Count(string(runs), "once") != 3 {
		t.Errorf("runs: %q", runs)
	}
}

func TestProgramThatRanForLongMayEnd(t *testing.T) {
	p := script(t, "echo once >> runs; test $(wc -l < runs) -ge 8 && touch done; exit 1")
	clock := time.Unix(0, 0)
	ctx, cancel := context.WithCancel(t.Context())
	now := func() time.Time {
		clock = clock.Add(time.Minute) // each run takes a minute of this clock
		if _, err := os.Stat(filepath.Join(p.dir, "done")); err == nil {
			cancel()
		}
		return clock
	}
	if err := p.supervise(ctx, shortPatience, time.Second, now, logr.Discard()); err != nil {
		t.Errorf("given up after long runs: %v", err)
	}
}

func TestStoppingAProgram(t *testing.T) {
	tests := map[string]string{
		"that ends when asked":      "trap 'exit 0' TERM; touch up; while :; do sleep 0.01; done",
		"that has to be killed":     "trap '' TERM; touch up; while :; do sleep 0.01; done",
		"whose child keeps the log": "sleep 60 & echo $! > child; trap 'exit 0' TERM; touch up; while :; do sleep 0.01; done",
	}
	for name, text := range tests {
		t.Run(name, func(t *testing.T) {
			p := script(t, text)
			ctx, cancel := context.WithCancel(t.Context())
			ended := make(chan error)
			go func() { ended <- p.supervise(ctx, shortPatience, 100*time.Millisecond, time.Now, logr.Discard()) }()
			awaitFile(t, filepath.Join(p.dir, "up"))
			cancel()
			select {
			case err := <-ended:
				if err != nil {
					t.Error(err)
				}
			case <-time.After(10 * time.Second):
				t.Error("it still runs")
			}
			if child, err := os.ReadFile(filepath.Join(p.dir, "child")); err == nil {
				_ = once(t.Context(), time.Second, nil, "/bin/kill", strings.TrimSpace(string(child)))
			}
		})
	}
}

func awaitFile(t *testing.T, path string) {
	t.Helper()
	for range 1000 {
		if _, err := os.Stat(path); err == nil {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("waited 10 s for %s", path)
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
	if got := l.lastLines(2); got != "last but one\nlast" {
		t.Errorf("last lines are %q", got)
	}
}

func TestHelperThatFailsIsQuoted(t *testing.T) {
	err := once(t.Context(), 5*time.Second, nil, "/bin/sh", "-c", "echo bad archive >&2; exit 1")
	if err == nil || !strings.Contains(err.Error(), "bad archive") {
		t.Errorf("error is %v", err)
	}
	if err := once(t.Context(), 50*time.Millisecond, nil, "/bin/sleep", "10"); err == nil {
		t.Error("no bound")
	}
}
