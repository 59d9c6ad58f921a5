package cgrouptest

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/k8sm/k8sm/mesos/kubelet/cgroup"
	"github.com/k8sm/k8sm/mesos/kubelet/kubelettest"
)

func TestMesosContainer(t *testing.T) {
	if !kubelettest.Isolated(t) {
		return
	}
	before, err := os.ReadFile("/proc/self/cgroup")
	kubelettest.Must(t, err)
	id, remove := MesosContainer(t, "cpu", "memory")
	c, err := cgroup.Find(id)
	kubelettest.Must(t, err)
	for _, h := range c.Hierarchies {
		isolated := h.Has("cpu") || h.Has("memory") || cgroup.IsUnified(c.Hierarchies)
		if made := slices.Contains(c.Made, h.Dir(c.Path)); made == isolated {
			t.Errorf("hierarchy %q: isolated %t, to be made by the executor %t", h.Name, isolated, made)
		}
		if !isolated {
			continue
		}
		here := strings.Fields(kubelettest.Content(filepath.Join(h.Dir(c.Path), "cgroup.procs")))
		if !slices.Contains(here, strconv.Itoa(os.Getpid())) {
			t.Errorf("this process is not in %s, which has %v", h.Dir(c.Path), here)
		}
	}
	kubelettest.Must(t, remove())
	after, err := os.ReadFile("/proc/self/cgroup")
	kubelettest.Must(t, err)
	if string(after) != string(before) {
		t.Errorf("this process was in\n%s and is in\n%s", before, after)
	}
	for _, dir := range c.Dirs() {
		if _, err := os.Stat(dir); !os.IsNotExist(err) {
			t.Errorf("%s is left", dir)
		}
	}
}

// Tests move processes into the cgroups of a pod, so there is one in each hierarchy.
func TestPodCgroups(t *testing.T) {
	if !kubelettest.Isolated(t) {
		return
	}
	id, remove := MesosContainer(t, "cpu", "memory")
	defer func() { kubelettest.Must(t, remove()) }()
	c, err := cgroup.Find(id)
	kubelettest.Must(t, err, c.Enter())
	defer func() { kubelettest.Must(t, c.Leave(), cgroup.Remove(c.Dirs(), c.Made)) }()
	pods := PodCgroups(t, c)
	if len(pods) != len(c.Hierarchies) {
		t.Errorf("%d cgroups in %d hierarchies", len(pods), len(c.Hierarchies))
	}
	for i, dir := range pods {
		if want := filepath.Join(c.Dirs()[i], "kubepods", "pod1"); dir != want {
			t.Errorf("cgroup is %s, want %s", dir, want)
		}
		if _, err := os.Stat(filepath.Join(dir, "cgroup.procs")); err != nil {
			t.Errorf("%s is no cgroup: %v", dir, err)
		}
	}
}
