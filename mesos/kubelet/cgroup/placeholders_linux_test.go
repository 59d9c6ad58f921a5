package cgroup

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/k8sm/k8sm/mesos/kubelet/kubelettest"
)

func TestPlaceholdersForTheCgroupsOfPods(t *testing.T) {
	tests := map[string]struct{ there, want []string }{
		"no pods yet": {
			there: []string{"leaf"},
		},
		"each pod and container has a placeholder": {
			there: []string{"leaf", "kubepods/burstable/pod1/c1", "kubepods/pod2"},
			want: []string{
				"mesos/kubepods", "mesos/kubepods/mesos",
				"mesos/kubepods/mesos/burstable", "mesos/kubepods/mesos/burstable/mesos",
				"mesos/kubepods/mesos/burstable/mesos/pod1", "mesos/kubepods/mesos/burstable/mesos/pod1/mesos",
				"mesos/kubepods/mesos/burstable/mesos/pod1/mesos/c1",
				"mesos/kubepods/mesos/pod2",
			},
		},
		"placeholders of removed pods are removed": {
			there: []string{"leaf", "kubepods", "mesos/kubepods/mesos/pod1/mesos/c1/leaf"},
			want:  []string{"mesos/kubepods"},
		},
		"a folder that an agent is creating is kept": {
			there: []string{"leaf", "kubepods", "mesos/kubepods/leaf"},
			want:  []string{"mesos/kubepods", "mesos/kubepods/leaf"},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			for _, d := range tc.there {
				kubelettest.Must(t, os.MkdirAll(filepath.Join(dir, d), 0o755))
			}
			kubelettest.Must(t, syncPlaceholders(dir), syncPlaceholders(dir)) // and it does no harm twice
			var got []string
			for _, d := range descendants(filepath.Join(dir, placeholderLevel)) {
				relative, err := filepath.Rel(dir, d)
				kubelettest.Must(t, err)
				got = append(got, relative)
			}
			slices.Sort(got)
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("placeholders (-want +got):\n%s", diff)
			}
		})
	}
}
