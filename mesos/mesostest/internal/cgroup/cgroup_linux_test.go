package cgroup

import (
	"os"
	"path/filepath"
	"testing"
)

func TestOOMIsCountedInTheContainersEvents(t *testing.T) {
	for events, want := range map[string]bool{
		"low 0\nmax 12\noom 0\noom_kill 0\n": false,
		"low 0\nmax 12\noom 1\noom_kill 1\n": true,
		"":                                   false,
	} {
		g := &Group{paths: []string{t.TempDir()}, unified: true}
		if err := os.WriteFile(filepath.Join(g.paths[0], "memory.events"), []byte(events), 0o644); err != nil {
			t.Fatal(err)
		}
		if g.HasOOM() != want {
			t.Errorf("an oom is counted in %q: want %t", events, want)
		}
	}
	if (&Group{paths: []string{t.TempDir()}}).HasOOM() || (*Group)(nil).HasOOM() {
		t.Error("version 1, or no cgroup at all, has no such events")
	}
}
