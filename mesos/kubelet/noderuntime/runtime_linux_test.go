package noderuntime

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/k8sm/k8sm/mesos/kubelet/cgroup"
	"github.com/k8sm/k8sm/mesos/kubelet/cgroup/cgrouptest"
	"github.com/k8sm/k8sm/mesos/kubelet/config"
	"github.com/k8sm/k8sm/mesos/kubelet/hostruntime"
	"github.com/k8sm/k8sm/mesos/kubelet/kubelettest"
	"github.com/k8sm/k8sm/mesos/kubelet/layout"
	"github.com/k8sm/k8sm/mesos/kubelet/network"
	"github.com/k8sm/k8sm/mesos/kubelet/sweep"
	"github.com/k8sm/k8sm/mesos/kubelet/tool"
)

var isolated = isolation{containerID: "c1", cgroup: &cgroup.Container{Path: "/mesos/c1"}}

func TestExternalCNIConfigurationIsReadFromItsBindMount(t *testing.T) {
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
	h := &HostContainerd{isolated, l, &hostruntime.Runtime{Usage: hostruntime.Usage{Socket: "/run/containerd/containerd.sock", Kept: []string{"plugins"}, PodLogs: "/var/log/pods", KeptLogs: []string{"ns_before_uid"}}}, false}
	r := &sweep.Record{}
	h.Describe(r)
	if r.Network != "" {
		t.Errorf("network %q, which the agent's runtime does not see", r.Network)
	}
	if r.ContainerID != "c1" || r.Runtime != "/run/containerd/containerd.sock" || len(r.Kept) != 1 || r.PodLogs != "/var/log/pods" || len(r.KeptLogs) != 1 {
		t.Errorf("record is %+v", r)
	}
	c := h.Settings()
	if c.Socket != "/run/containerd/containerd.sock" || c.CgroupRoot != "/mesos/c1" {
		t.Errorf("runtime %s, cgroup root %s", c.Socket, c.CgroupRoot)
	}
	if c.PodLogs != "/var/log/pods" || c.RootDir != layout.KubeletRoot {
		t.Errorf("logs in %s, the kubelet's folder is %s", c.PodLogs, c.RootDir)
	}
	if args, err := h.Configure(); len(args) > 0 || err != nil {
		t.Errorf("a containerd is to be started: %v, %v", args, err)
	}
}

func TestOwnContainerd(t *testing.T) {
	l := layout.Of(t.TempDir(), "n1")
	o := &OwnContainerd{isolated, l, config.Containerd{NodeName: "n1", StreamPort: 31001, SandboxImage: "pause:1"}}
	r := &sweep.Record{}
	o.Describe(r)
	if r.ContainerID != "c1" || r.Network != network.Name("n1") || r.Runtime != "" {
		t.Errorf("record is %+v", r)
	}
	want := config.Runtime{Socket: layout.ContainerdSocket, CgroupRoot: "/mesos/c1", RootDir: layout.KubeletRoot, PodLogs: layout.PodLogs}
	if diff := cmp.Diff(want, o.Settings()); diff != "" {
		t.Errorf("settings (-want +got):\n%s", diff)
	}
	args, err := o.Configure()
	kubelettest.Must(t, err)
	if diff := cmp.Diff([]string{"--config=" + l.ContainerdConfig()}, args); diff != "" {
		t.Errorf("arguments (-want +got):\n%s", diff)
	}
	template := kubelettest.Content(l.CNITemplate())
	for file, want := range map[string]string{
		kubelettest.Content(l.ContainerdConfig()): `stream_server_port = "31001"`, template: `"name": "` + r.Network + `"`,
	} {
		if !strings.Contains(file, want) {
			t.Errorf("%s is not in\n%s", want, file)
		}
	}
}

// A kubelet of the executor's own containerd must not find anything of another node's.
func TestOwnContainerdReplacesSystemPaths(t *testing.T) {
	tests := map[string]struct {
		external bool
		want     []string
	}{
		"a network of its own":       {false, []string{"/var/lib/kubelet", "/var/lib/cni", "/var/log/pods", "/var/log/containers", "/run/containerd"}},
		"the network of a DaemonSet": {true, []string{"/var/lib/kubelet", "/var/lib/cni", "/var/log/pods", "/var/log/containers", "/run/containerd", "/etc/cni/net.d", "/opt/cni/bin", "/run/netns"}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			l := layout.Of("/state", "n1")
			var got []string
			for _, b := range (&OwnContainerd{isolated, l, config.Containerd{NodeName: "n1", ExternalCNI: tc.external}}).binds() {
				got = append(got, b.Target)
				if b.Source != "" && !strings.HasPrefix(b.Source, l.Dir+"/") {
					t.Errorf("%s is over %s", b.Source, b.Target)
				}
				if b.Source == "" && b.Target != "/run/containerd" && b.Target != "/run/netns" {
					t.Errorf("%s is in memory", b.Target)
				}
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("system paths (-want +got):\n%s", diff)
			}
		})
	}
}

// inContainer runs a test in the cgroup of a Mesos container and a mount namespace of its own.
func inContainer(t *testing.T) (id string, remove func() error) {
	t.Helper()
	id, remove = cgrouptest.MesosContainer(t, "cpu", "memory")
	namespace, err := os.Readlink("/proc/self/ns/mnt")
	kubelettest.Must(t, err)
	t.Setenv("K8SM_MOUNT_NAMESPACE", namespace)
	return id, remove
}

func TestOwnContainerdLifecycleLeavesNothing(t *testing.T) {
	if !kubelettest.Isolated(t) {
		return
	}
	// The system paths must not be this machine's.
	for _, dir := range []string{"/var/lib", "/var/log", "/run"} {
		kubelettest.Must(t, unix.Mount("tmpfs", dir, "tmpfs", 0, ""))
	}
	id, remove := inContainer(t)
	l := layout.Of(t.TempDir(), "n1")
	runtime, err := NewOwnContainerd(id, l, config.Containerd{NodeName: "n1"})
	kubelettest.Must(t, err)
	r := &sweep.Record{NodeName: "n1"}
	runtime.Describe(r)
	if len(r.Cgroups) == 0 {
		t.Errorf("record is %+v", r)
	}
	kubelettest.Must(t, runtime.Isolate(t.Context(), 0.5, 64<<20))
	kubelettest.Must(t, os.WriteFile(layout.KubeletRoot+"/state", []byte("x"), 0o600))
	if got := kubelettest.Content(l.Kubelet() + "/state"); got != "x" {
		t.Errorf("%s is not the node's: %q", layout.KubeletRoot, got)
	}
	container, err := cgroup.Find(id)
	kubelettest.Must(t, err)
	pods := cgrouptest.PodCgroups(t, container)
	pod := exec.Command("/bin/sleep", "60")
	kubelettest.Must(t, pod.Start())
	for _, dir := range pods {
		kubelettest.Must(t, cgroup.Move(dir, pod.Process.Pid))
	}
	if running := runtime.Containers(); len(running) != 1 || running[0].PID != pod.Process.Pid {
		t.Errorf("containers %v, want %d", running, pod.Process.Pid)
	}
	removed := false
	kubelettest.Must(t, runtime.Clear(func() error {
		removed = true
		if _, err := os.Stat(layout.KubeletRoot + "/state"); !os.IsNotExist(err) {
			t.Error("the node's folder is still mounted")
		}
		return cgroup.Remove(r.Cgroups, r.Made)
	}))
	if err := pod.Wait(); err == nil || !removed {
		t.Errorf("the pod ended with %v, the rest is removed: %t", err, removed)
	}
	if _, err := os.Stat(layout.KubeletRoot); !os.IsNotExist(err) {
		t.Errorf("%s is left on the host", layout.KubeletRoot)
	}
	kubelettest.Must(t, remove())
}

func TestIsolationNeedsAMountNamespaceOfItsOwn(t *testing.T) {
	if !kubelettest.Isolated(t) {
		return
	}
	id, remove := cgrouptest.MesosContainer(t, "cpu", "memory")
	defer func() { kubelettest.Must(t, remove()) }()
	l := layout.Of(t.TempDir(), "n1")
	runtime, err := NewOwnContainerd(id, l, config.Containerd{NodeName: "n1"})
	kubelettest.Must(t, err)
	r := &sweep.Record{}
	runtime.Describe(r)
	if err := runtime.Isolate(t.Context(), 0.5, 64<<20); err == nil || !strings.Contains(err.Error(), "CAP_SYS_ADMIN") {
		t.Errorf("error is %v", err)
	}
	kubelettest.Must(t, runtime.Clear(func() error { return cgroup.Remove(r.Cgroups, r.Made) }))
}

func TestNodeThatLacksAToolSaysWhich(t *testing.T) {
	folders := tool.SystemFolders
	t.Cleanup(func() { tool.SystemFolders = folders })
	tool.SystemFolders = nil
	id, remove := inContainer(t)
	defer func() { kubelettest.Must(t, remove()) }()
	tests := map[string]struct {
		tools    []string
		external bool
		want     string // "" if nothing is missing
		masks    bool   // the bridge plugin masquerades
	}{
		"all":                            {[]string{"mount", "umount", "iptables"}, false, "", true},
		"nftables":                       {[]string{"mount", "umount", "nft"}, false, "", false},
		"no firewall":                    {[]string{"mount", "umount"}, false, "no program iptables or nft is in", false},
		"no firewall, another's network": {[]string{"mount", "umount"}, true, "", false},
		"nothing":                        {nil, true, "no program mount, and none umount is in", false},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			for _, name := range tc.tools {
				kubelettest.Must(t, os.WriteFile(dir+"/"+name, nil, 0o755))
			}
			t.Setenv("PATH", dir)
			runtime, err := NewOwnContainerd(id, layout.Of(t.TempDir(), "n1"), config.Containerd{NodeName: "n1", ExternalCNI: tc.external, HasClusterCIDRs: true})
			if (err == nil) != (tc.want == "") || err != nil && !strings.Contains(err.Error(), tc.want) {
				t.Fatalf("error is %v", err)
			}
			if err != nil {
				return
			}
			pods, err := runtime.Pods()
			if own := runtime.(*OwnContainerd); err != nil || own.containerd.Masquerade != tc.masks || pods.Masquerade != (!tc.masks && !tc.external) {
				t.Errorf("the plugin masquerades: %t, the firewall: %t, %v", own.containerd.Masquerade, pods.Masquerade, err)
			}
		})
	}
}

func TestPodsAreKnownByBridgeAndCgroup(t *testing.T) {
	unified := isolation{containerID: "c1", cgroup: &cgroup.Container{Path: "/mesos/c1", Hierarchies: []cgroup.Hierarchy{{Mount: t.TempDir()}}}}
	version1 := isolation{containerID: "c1", cgroup: &cgroup.Container{Path: "/mesos/c1", Hierarchies: []cgroup.Hierarchy{{Name: "memory", Mount: t.TempDir()}, {Mount: t.TempDir()}}}}
	l := layout.Of(t.TempDir(), "n1")
	for name, tc := range map[string]struct {
		runtime Runtime
		want    Pods
	}{
		"bundled":            {&OwnContainerd{unified, l, config.Containerd{NodeName: "n1", Masquerade: true}}, Pods{Bridge: network.Name("n1"), Cgroup: "/mesos/c1/kubepods"}},
		"external":           {&OwnContainerd{unified, l, config.Containerd{NodeName: "n1", ExternalCNI: true}}, Pods{Cgroup: "/mesos/c1/kubepods"}},
		"the agent's":        {&HostContainerd{unified, l, nil, false}, Pods{Cgroup: "/mesos/c1/kubepods"}},
		"cgroup version 1":   {&HostContainerd{version1, l, nil, false}, Pods{}},
		"without containers": {NewFake(l), Pods{}},
	} {
		got, err := tc.runtime.Pods()
		if diff := cmp.Diff(tc.want, got); diff != "" || err != nil {
			t.Errorf("%s: %v (-want +got):\n%s", name, err, diff)
		}
	}
	if _, err := os.Stat(unified.cgroup.Hierarchies[0].Dir("/mesos/c1/kubepods")); err != nil {
		t.Error(err)
	}
}
