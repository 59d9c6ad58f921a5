package cgroup

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestAgentRecoveryRemovesUnknownCgroups(t *testing.T) {
	tests := map[string]struct {
		there []string
		left  []string
		fails bool
	}{
		"the agent's own and known containers are kept": {
			there: []string{"agent/leaf", "known/leaf"},
			left:  []string{"agent", "agent/leaf", "known", "known/leaf"},
		},
		"an unknown container is destroyed": {
			there: []string{"orphan/leaf", "known/leaf"},
			left:  []string{"known", "known/leaf"},
		},
		"an unknown nested container is destroyed": {
			there: []string{"known/leaf", "known/mesos/child/leaf"},
			left:  []string{"known", "known/leaf", "known/mesos"},
		},
		"recovery fails on pods without placeholders": {
			there: []string{"known/leaf", "known/kubepods/pod1"},
			fails: true,
		},
		"pods with placeholders are kept": {
			there: []string{"known/leaf", "known/kubepods/pod1", "known/mesos/kubepods/mesos/pod1"},
			left:  []string{"known", "known/kubepods", "known/kubepods/pod1", "known/leaf", "known/mesos"},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			for _, dir := range tc.there {
				if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
					t.Fatal(err)
				}
			}
			err := recoverBelow(root, []string{"known"})
			if (err != nil) != tc.fails {
				t.Fatalf("error is %v", err)
			}
			if tc.fails {
				return
			}
			var left []string
			for _, dir := range Tree(root)[1:] {
				left = append(left, strings.TrimPrefix(dir, root+"/"))
			}
			if diff := cmp.Diff(tc.left, left); diff != "" {
				t.Errorf("left (-want +got):\n%s", diff)
			}
		})
	}
}

// Nested containers are destroyed before those that they are nested in, and a second
// recovery finds nothing more to do.
func TestRecoveryOfDeeplyNestedContainers(t *testing.T) {
	root := hierarchy(t, "agent/leaf", "known/leaf", "orphan/leaf", "orphan/mesos/a/leaf", "orphan/mesos/a/mesos/b/leaf", "known/mesos/c/mesos/d/leaf")
	for range 2 {
		if err := recoverBelow(root, []string{"known"}); err != nil {
			t.Fatal(err)
		}
		var left []string
		for _, dir := range Tree(root)[1:] {
			left = append(left, strings.TrimPrefix(dir, root+"/"))
		}
		if diff := cmp.Diff([]string{"agent", "agent/leaf", "known", "known/leaf", "known/mesos"}, left); diff != "" {
			t.Fatalf("left (-want +got):\n%s", diff)
		}
	}
}

// An ID is known only as a whole: neither as a part of another one, nor nested in another.
func TestRecoveryComparesWholeIDs(t *testing.T) {
	root := hierarchy(t, "known/leaf", "known-2/leaf", "kno/leaf", "orphan/mesos/known/leaf")
	if err := recoverBelow(root, []string{"known"}); err != nil {
		t.Fatal(err)
	}
	var left []string
	for _, dir := range Tree(root)[1:] {
		left = append(left, strings.TrimPrefix(dir, root+"/"))
	}
	if diff := cmp.Diff([]string{"known", "known/leaf"}, left); diff != "" {
		t.Errorf("left (-want +got):\n%s", diff)
	}
}
