package noderuntime

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/k8sm/k8sm/mesos/kubelet/kubelettest"
	"github.com/k8sm/k8sm/mesos/kubelet/mount"
)

func TestSettingsOfTheMachineAreCopiedAnewForEachKubelet(t *testing.T) {
	root, dir := t.TempDir(), filepath.Join(t.TempDir(), "sysctl")
	set := func(value string) {
		t.Helper()
		file := filepath.Join(root, "vm", "overcommit_memory")
		kubelettest.Must(t, os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, []byte(value), 0o600))
	}
	// A kernel without the other settings.
	want := []mount.Bind{{Source: filepath.Join(dir, "vm.overcommit_memory"), Target: filepath.Join(root, "vm", "overcommit_memory")}}
	for _, value := range []string{"2", "0"} {
		set(value)
		copies, err := copySysctls(root, dir)
		kubelettest.Must(t, err)
		if diff := cmp.Diff(want, copies); diff != "" {
			t.Errorf("copies (-want +got):\n%s", diff)
		}
		if got := kubelettest.Content(want[0].Source); got != value {
			t.Errorf("the copy is %q, the setting %q", got, value)
		}
		kubelettest.Must(t, os.WriteFile(want[0].Source, []byte("1"), 0o600)) // by the kubelet
	}
	file := filepath.Join(t.TempDir(), "file")
	kubelettest.Must(t, os.WriteFile(file, nil, 0o600))
	if _, err := copySysctls(root, filepath.Join(file, "dir")); err == nil {
		t.Error("copied into what is no folder")
	}
}
