package playground

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// defaultHostPaths are folders that kubelets, runtimes and network plugins use whatever their
// configuration is.
var defaultHostPaths = []string{
	"/etc/cni", "/opt/cni", "/opt/containerd", "/run/containerd", "/run/runc", "/usr/libexec/kubernetes",
	"/var/lib/cni", "/var/lib/containerd", "/var/lib/k8sm", "/var/lib/kubelet", "/var/log/containers", "/var/log/pods",
}

// hostPaths are the paths in defaultHostPaths that did not exist before the run. They are removed at
// its end.
type hostPaths []string

func absentHostPaths() hostPaths {
	return slices.DeleteFunc(slices.Clone(defaultHostPaths), func(path string) bool {
		_, err := os.Lstat(path)
		return err == nil
	})
}

// present returns the paths that exist now. It returns none while another node runs on this
// machine, since the paths may then be that node's.
func (h hostPaths) present() []string {
	if otherNodeProcessesRun() {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(h), func(path string) bool {
		_, err := os.Lstat(path)
		return err != nil
	})
}

func (h hostPaths) remove() error {
	var problems []error
	for _, path := range h.present() {
		// The kubelet of a host's own runtime mounts where all can see it.
		if err := unmountBelow(path); err != nil {
			problems = append(problems, err)
		} else if err := os.RemoveAll(path); err != nil {
			problems = append(problems, fmt.Errorf("removing %s: %w", path, err))
		}
	}
	return errors.Join(problems...)
}

// otherNodeProcessesRun reports whether a kubelet or a container runtime runs on this machine. It
// is called when the nodes of this run have ended.
func otherNodeProcessesRun() bool {
	names, _ := filepath.Glob("/proc/[0-9]*/comm")
	return slices.ContainsFunc(names, func(file string) bool {
		name, err := os.ReadFile(file)
		return err == nil && (strings.HasPrefix(string(name), "containerd") || strings.HasPrefix(string(name), "kubelet"))
	})
}
