package noderuntime

import (
	"os"
	"strings"
	"testing"

	"github.com/k8sm/k8sm/mesos/kubelet/cgroup"
	"github.com/k8sm/k8sm/mesos/kubelet/config"
	"github.com/k8sm/k8sm/mesos/kubelet/hostruntime"
	"github.com/k8sm/k8sm/mesos/kubelet/kubelettest"
	"github.com/k8sm/k8sm/mesos/kubelet/layout"
	"github.com/k8sm/k8sm/mesos/kubelet/sweep"
)

var isolated = isolation{containerID: "c1", cgroup: &cgroup.Container{Path: "/mesos/c1"}}

func TestNetworkOfADaemonSetIsLookedForWhereItIsPut(t *testing.T) {
	l := layout.Of(t.TempDir(), "n1")
	o := &OwnContainerd{isolated, l, config.Containerd{NodeName: "n1", ExternalCNI: true}}
	sources := map[string]string{}
	for _, b := range o.binds() {
		sources[b.Target] = b.Source
	}
	args, err := o.Configure()
	kubelettest.Must(t, err)
	data, err := os.ReadFile(strings.TrimPrefix(args[0], "--config="))
	kubelettest.Must(t, err)
	written := string(data)
	for _, want := range []string{
		`conf_dir = "` + sources["/etc/cni/net.d"] + `"`, `bin_dirs = ["` + sources["/opt/cni/bin"] + `", `, "use_internal_loopback = true",
	} {
		if !strings.Contains(written, want) {
			t.Errorf("%s is not in\n%s", want, written)
		}
	}
	r := &sweep.Record{}
	o.Describe(r)
	if strings.Contains(written, "conf_template") || r.Network != "" {
		t.Error("the node makes a network nevertheless")
	}
}

func TestKubeletOfTheHostRuntimeUsesItsPaths(t *testing.T) {
	l := layout.Of("/var/lib/k8sm", "general-x7k2p")
	h := &HostContainerd{isolated, l, &hostruntime.Runtime{Usage: hostruntime.Usage{Socket: "/run/containerd/containerd.sock", Kept: []string{"plugins"}}}}
	r := &sweep.Record{}
	h.Describe(r)
	if r.Network != "" {
		t.Errorf("network %q, which the agent's runtime does not see", r.Network)
	}
	if r.ContainerID != "c1" || r.Runtime != "/run/containerd/containerd.sock" || len(r.Kept) != 1 {
		t.Errorf("record is %+v", r)
	}
	c := h.Settings()
	if c.Socket != "/run/containerd/containerd.sock" || c.CgroupRoot != "/mesos/c1" {
		t.Errorf("runtime %s, cgroup root %s", c.Socket, c.CgroupRoot)
	}
	if !strings.HasPrefix(c.PodLogs, "/var/lib/k8sm/general-x7k2p/") || c.RootDir != layout.KubeletRoot {
		t.Errorf("logs in %s, the kubelet's folder is %s", c.PodLogs, c.RootDir)
	}
	if args, err := h.Configure(); len(args) > 0 || err != nil {
		t.Errorf("a containerd is to be started: %v, %v", args, err)
	}
}
