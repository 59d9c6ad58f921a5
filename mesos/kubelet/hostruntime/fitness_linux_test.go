package hostruntime

import (
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/k8sm/k8sm/mesos/kubelet/cri/critest"
	"github.com/k8sm/k8sm/mesos/kubelet/kubelettest"
	"github.com/k8sm/k8sm/mesos/kubelet/layout"
	"github.com/k8sm/k8sm/mesos/kubelet/mount"
)

func TestFitnessOfARuntime(t *testing.T) {
	named := func(name string) func([]byte) ([]byte, string, string) {
		return critest.Always(critest.Text(2, name))
	}
	driver := func(cgroupfs uint64) func([]byte) ([]byte, string, string) {
		return critest.Always(critest.Text(1, string(critest.Number(1, cgroupfs))))
	}
	tests := map[string]struct {
		answers critest.Answers
		want    string // in the error; "": fit
	}{
		"containerd with cgroupfs":               {critest.Answers{"Version": named("containerd"), "RuntimeConfig": driver(1)}, ""},
		"containerd that is older":               {critest.Answers{"Version": named("containerd")}, ""},
		"containerd with systemd":                {critest.Answers{"Version": named("containerd"), "RuntimeConfig": driver(0)}, "SystemdCgroup = false"},
		"containerd without the plugin for pods": {critest.Answers{}, "disables the plugin io.containerd.grpc.v1.cri"},
		"another runtime":                        {critest.Answers{"Version": named("cri-o"), "RuntimeConfig": driver(1)}, "is that of cri-o"},
		"a runtime that refuses": {critest.Answers{"Version": func([]byte) ([]byte, string, string) {
			return nil, "7", "not for you"
		}}, "not for you"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			r := &Runtime{Usage: Usage{Socket: critest.Serve(t, tc.answers)}}
			err := r.checkFitness(t.Context())
			if (err == nil) != (tc.want == "") || err != nil && !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error is %v, want %q in it", err, tc.want)
			}
		})
	}
}

// A runtime that turns out to be unfit late must not stay claimed.
func TestFailedAcquireReleasesItsClaim(t *testing.T) {
	if !kubelettest.Isolated(t) {
		return
	}
	kubelettest.Must(t, mount.UnmountBelow(layout.KubeletRoot), unix.Mount("tmpfs", "/var/lib", "tmpfs", 0, ""))
	answers := critest.Answers{
		"Version":        critest.Always(critest.Text(2, "containerd")),
		"ListPodSandbox": critest.Always(nil),
	}
	socket := critest.Serve(t, answers)
	kubelettest.Must(t, os.MkdirAll(layout.KubeletRoot+"/pods/uid", 0o755))
	if _, err := Acquire(socket); err == nil || !strings.Contains(err.Error(), "holds 1 pods of another kubelet") {
		t.Fatalf("error is %v", err)
	}
	kubelettest.Must(t, os.Remove(layout.KubeletRoot+"/pods/uid"), os.Mkdir(layout.KubeletRoot+"/plugins", 0o755))
	r, err := Acquire(socket)
	kubelettest.Must(t, err)
	if r.Socket != socket || len(r.Kept) != 1 || r.Kept[0] != "plugins" || r.Mounted {
		t.Errorf("usage is %+v", r.Usage)
	}
	if _, err := Acquire(socket); err == nil || !strings.Contains(err.Error(), "maxNodesPerAgent: 1") {
		t.Errorf("error of a second node is %v", err)
	}
	r.Close()
	again, err := Acquire(socket)
	kubelettest.Must(t, err)
	again.Close()
}
