package noderuntime

import (
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/k8sm/k8sm/mesos/kubelet/cgroup"
	"github.com/k8sm/k8sm/mesos/kubelet/cri/critest"
	"github.com/k8sm/k8sm/mesos/kubelet/kubelettest"
	"github.com/k8sm/k8sm/mesos/kubelet/layout"
	"github.com/k8sm/k8sm/mesos/kubelet/sweep"
)

// The claim must be given up before the rest is removed, because that claims the runtime anew.
func TestHostContainerdLifecycleLeavesNothing(t *testing.T) {
	if !kubelettest.Isolated(t) {
		return
	}
	for _, dir := range []string{"/var/lib", "/var/log"} {
		kubelettest.Must(t, unix.Mount("tmpfs", dir, "tmpfs", 0, ""))
	}
	id, remove := inContainer(t)
	socket := critest.Serve(t, critest.Answers{
		"Version":        critest.Always(critest.Text(2, "containerd")),
		"ListPodSandbox": critest.Always(nil),
	})
	kubelettest.Must(t, os.MkdirAll(layout.KubeletRoot+"/plugins", 0o755))
	l := layout.Of(t.TempDir(), "n1")
	runtime, err := NewHostContainerd(id, l, socket)
	kubelettest.Must(t, err)
	if _, err := NewHostContainerd(id, l, socket); err == nil {
		t.Error("a second node claims the same runtime")
	}
	r := &sweep.Record{NodeName: "n1"}
	runtime.Describe(r)
	if diff := cmp.Diff([]string{"plugins"}, r.Kept); diff != "" || r.Runtime != socket {
		t.Errorf("runtime %s, kept (-want +got):\n%s", r.Runtime, diff)
	}
	kubelettest.Must(t, runtime.Isolate(t.Context(), 0.5, 64<<20))
	if _, err := os.Stat(layout.ContainerLogs); err != nil {
		t.Errorf("there is no folder for links to logs: %v", err)
	}
	started := false
	kubelettest.Must(t, runtime.StartKubelet(func() error { started = true; return nil }))
	kubelettest.Must(t, os.WriteFile(layout.KubeletRoot+"/cpu_manager_state", nil, 0o600), os.MkdirAll(l.Dir, 0o755), r.Write(l.Dir))
	kubelettest.Must(t, runtime.Clear(func() error { return r.Remove(t.Context(), l.Dir) }))
	if _, err := os.Stat(layout.KubeletRoot + "/cpu_manager_state"); !os.IsNotExist(err) || !started {
		t.Errorf("started: %t, what the kubelet wrote is left: %v", started, err)
	}
	if _, err := os.Stat(layout.KubeletRoot + "/plugins"); err != nil {
		t.Errorf("what was there is gone: %v", err)
	}
	again, err := NewHostContainerd(id, l, socket)
	if err != nil {
		t.Fatalf("the runtime is still claimed: %v", err)
	}
	kubelettest.Must(t, again.Clear(func() error { return cgroup.Remove(r.Cgroups, r.Made) }), remove())
}
