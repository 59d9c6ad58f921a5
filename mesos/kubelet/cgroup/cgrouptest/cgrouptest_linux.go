// Package cgrouptest makes cgroups as Mesos and kubelets make them, for tests. It needs root.
package cgrouptest

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/k8sm/k8sm/mesos/kubelet/cgroup"
	"github.com/k8sm/k8sm/mesos/kubelet/kubelettest"
)

// MesosContainer makes the cgroup of a Mesos container in the hierarchies by which an agent
// isolates, moves this process into it, and returns its ID and a function that removes it.
func MesosContainer(t testing.TB, isolated ...string) (id string, remove func() error) {
	t.Helper()
	hierarchies, err := cgroup.Mounted()
	kubelettest.Must(t, err)
	id = fmt.Sprintf("container-%d", os.Getpid())
	if cgroup.IsUnified(hierarchies) {
		isolated = []string{""}
	}
	var undo []func() error
	for _, h := range hierarchies {
		if !slices.ContainsFunc(strings.Split(h.Name, ","), func(c string) bool { return slices.Contains(isolated, c) }) {
			continue
		}
		dir := h.Dir("/k8sm-test/" + id)
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Skipf("needs writable cgroups: %v", err)
		}
		if h.Name == "cpuset" {
			kubelettest.Must(t, cgroup.InheritCPUSet(h, "/k8sm-test/"+id))
		}
		kubelettest.Must(t, cgroup.Move(dir, os.Getpid()))
		undo = append(undo, func() error {
			return errors.Join(cgroup.Move(h.Dir(h.Path), os.Getpid()), cgroup.Remove([]string{dir}, []string{dir}))
		})
	}
	if len(undo) == 0 {
		t.Skip("needs cgroups")
	}
	return id, func() error {
		var problems []error
		for _, f := range undo {
			problems = append(problems, f())
		}
		return errors.Join(problems...)
	}
}

// PodCgroups makes the cgroup of a pod in each hierarchy, as the kubelet would.
func PodCgroups(t testing.TB, c *cgroup.Container) []string {
	t.Helper()
	var pods []string
	for _, h := range c.Hierarchies {
		dir := h.Dir(c.Path)
		for _, name := range []string{"kubepods", "pod1"} {
			dir = filepath.Join(dir, name)
			kubelettest.Must(t, os.Mkdir(dir, 0o755))
		}
		if h.Has("cpuset") {
			kubelettest.Must(t, cgroup.InheritCPUSet(h, strings.TrimPrefix(dir, h.Mount)))
		}
		pods = append(pods, dir)
	}
	return pods
}
