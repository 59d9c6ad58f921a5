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
		"itself and a container that it knows": {
			there: []string{"agent/leaf", "known/leaf"},
			left:  []string{"agent", "agent/leaf", "known", "known/leaf"},
		},
		"a container that it does not know": {
			there: []string{"orphan/leaf", "known/leaf"},
			left:  []string{"known", "known/leaf"},
		},
		"a container that is nested as Mesos does it": {
			there: []string{"known/leaf", "known/mesos/child/leaf"},
			left:  []string{"known", "known/leaf", "known/mesos"},
		},
		"pods, which it looks for where nothing can be": {
			there: []string{"known/leaf", "known/kubepods/pod1"},
			fails: true,
		},
		"pods, and what stands in for them where it looks": {
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
