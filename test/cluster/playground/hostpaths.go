package playground

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// habits are where kubelets, runtimes and network plugins write, whatever they are
// told.
var habits = []string{
	"/etc/cni", "/opt/cni", "/opt/containerd", "/run/containerd", "/run/runc", "/usr/libexec/kubernetes",
	"/var/lib/cni", "/var/lib/containerd", "/var/lib/k8sm", "/var/lib/kubelet", "/var/log/containers", "/var/log/pods",
}

// hostPaths are the habitual paths that were not there before the run: those that
// the run brings into being go with it.
type hostPaths []string

func absentHostPaths() hostPaths {
	return slices.DeleteFunc(slices.Clone(habits), func(path string) bool {
		_, err := os.Lstat(path)
		return err == nil
	})
}

// left are those that are there now. Nothing is ours while somebody else's node runs
// on this machine.
func (h hostPaths) left() []string {
	if othersRunNodes() {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(h), func(path string) bool {
		_, err := os.Lstat(path)
		return err != nil
	})
}

func (h hostPaths) remove() error {
	var problems []error
	for _, path := range h.left() {
		// The kubelet of a host's own runtime mounts where all can see it.
		if err := unmountBelow(path); err != nil {
			problems = append(problems, err)
		} else if err := os.RemoveAll(path); err != nil {
			problems = append(problems, fmt.Errorf("removing %s: %w", path, err))
		}
	}
	return errors.Join(problems...)
}

// othersRunNodes tells whether a kubelet or a container runtime runs, which is then
// not of this run: its own have ended when it asks.
func othersRunNodes() bool {
	names, _ := filepath.Glob("/proc/[0-9]*/comm")
	return slices.ContainsFunc(names, func(file string) bool {
		name, err := os.ReadFile(file)
		return err == nil && (strings.HasPrefix(string(name), "containerd") || strings.HasPrefix(string(name), "kubelet"))
	})
}
