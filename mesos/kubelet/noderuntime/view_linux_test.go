package noderuntime

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/k8sm/k8sm/mesos/kubelet/cgroup"
	"github.com/k8sm/k8sm/mesos/kubelet/cgroup/cgrouptest"
	"github.com/k8sm/k8sm/mesos/kubelet/config"
	"github.com/k8sm/k8sm/mesos/kubelet/hostruntime"
	"github.com/k8sm/k8sm/mesos/kubelet/kubelettest"
	"github.com/k8sm/k8sm/mesos/kubelet/layout"
)

// seesCopies is what a kubelet does: it fails unless the setting that it sees is the copy.
func seesCopies(l layout.Layout) func() error {
	return func() error {
		setting, err1 := os.Stat(filepath.Join(procSys, "vm/overcommit_memory"))
		replacement, err2 := os.Stat(filepath.Join(l.Sysctls(), "vm.overcommit_memory"))
		if err := errors.Join(err1, err2); err != nil {
			return err
		}
		if !os.SameFile(setting, replacement) {
			return errors.New("it sees the machine's setting")
		}
		return nil
	}
}

func TestKubeletSeesCopiesOfTheMachinesSettings(t *testing.T) {
	if !kubelettest.Isolated(t) {
		return
	}
	kubelettest.Must(t, unix.Mount("", "/", "", unix.MS_REC|unix.MS_SHARED, ""))
	namespace, err := os.Open("/proc/self/ns/mnt")
	kubelettest.Must(t, err)
	defer namespace.Close()
	host := &hostruntime.Runtime{Mounts: namespace}
	shared, err := host.SharesMounts()
	kubelettest.Must(t, err)
	if !shared {
		t.Error("the mounts are taken for private")
	}
	l := layout.Of(t.TempDir(), "n1")
	own := &OwnContainerd{isolated, l, config.Containerd{}}
	kubelettest.Must(t, own.StartKubelet(seesCopies(l)))
	viewed := &HostContainerd{isolated, l, host, true}
	kubelettest.Must(t, viewed.StartKubelet(seesCopies(l)))
	plain := &HostContainerd{isolated, l, host, false}
	if err := plain.StartKubelet(seesCopies(l)); err == nil || !strings.Contains(err.Error(), "the machine's setting") {
		t.Errorf("without a view: error is %v", err)
	}
	if err := seesCopies(l)(); err == nil {
		t.Error("the copies are seen outside")
	}
}

func TestAgentIsCheckedForEachRuntime(t *testing.T) {
	if !kubelettest.Isolated(t) {
		return
	}
	base := t.TempDir()
	l := layout.Of(filepath.Join(base, "state"), "n1")
	kubelettest.Must(t, os.MkdirAll(l.Dir, 0o755))
	own, host := &OwnContainerd{isolated, l, config.Containerd{}}, &HostContainerd{isolated, l, nil, true}
	kubelettest.Must(t, own.Check(), host.Check(), NewFake(l).Check())
	// On this file system no containers can be kept, and the agent's containerd does not mind.
	kubelettest.Must(t, unix.Mount("ramfs", l.Dir, "ramfs", 0, ""))
	defer func() { kubelettest.Must(t, unix.Unmount(l.Dir, 0)) }()
	if err := own.Check(); err == nil || !strings.Contains(err.Error(), "the state folder "+filepath.Dir(l.Dir)+" is on a file system of type ramfs") {
		t.Errorf("error is %v", err)
	}
	kubelettest.Must(t, host.Check())
}

func TestStateFolderInAPathThatTheNodeReplacesIsRefused(t *testing.T) {
	if !kubelettest.Isolated(t) {
		return
	}
	id, remove := cgrouptest.MesosContainer(t, "cpu", "memory")
	defer func() { kubelettest.Must(t, remove()) }()
	_, err := NewOwnContainerd(id, layout.Of(layout.KubeletRoot+"/k8sm", "n1"), config.Containerd{NodeName: "n1"})
	if err == nil || !strings.Contains(err.Error(), "choose another state folder") {
		t.Errorf("error is %v", err)
	}
}

func TestLimitsAndBoundsAreThoseOfTheContainer(t *testing.T) {
	dir := t.TempDir()
	kubelettest.Must(t, os.Mkdir(filepath.Join(dir, "kubepods"), 0o755))
	for file, value := range map[string]string{"memory.max": "1073741824", "kubepods/memory.max": "max", "kubepods/memory.high": "max"} {
		kubelettest.Must(t, os.WriteFile(filepath.Join(dir, file), []byte(value), 0o600))
	}
	i := isolation{cgroup: &cgroup.Container{Path: "/", Hierarchies: []cgroup.Hierarchy{{Mount: dir}}}}
	limits, err := i.Limits()
	kubelettest.Must(t, err, i.BoundPods(config.MemoryBounds{Max: 8 << 20, High: 4 << 20}))
	if limits.Memory != 1<<30 {
		t.Errorf("limits are %+v", limits)
	}
	if most, high := kubelettest.Content(dir+"/kubepods/memory.max"), kubelettest.Content(dir+"/kubepods/memory.high"); most != "8388608" || high != "4194304" {
		t.Errorf("pods may use %s, and are slowed down beyond %s", most, high)
	}
	none := NewFake(layout.Of(t.TempDir(), "n1"))
	if limits, err := none.Limits(); limits != (cgroup.Limits{}) || err != nil || none.BoundPods(config.MemoryBounds{Max: 1}) != nil {
		t.Errorf("a node without containers: %+v, %v", limits, err)
	}
}
