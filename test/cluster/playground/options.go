package playground

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
)

// Runtime is the container runtime of the nodes.
type Runtime string

// The runtimes.
const (
	// RuntimeAuto is RuntimeContainerd where the machine allows it, else RuntimeFake.
	RuntimeAuto Runtime = "auto"
	// RuntimeContainerd runs real containers. It needs Linux and root.
	RuntimeContainerd Runtime = "containerd"
	// RuntimeFake runs the real kubelet with a runtime that starts no containers. It needs
	// neither root nor cgroups.
	RuntimeFake Runtime = "fake"
)

// Options of a playground. The zero value is a playground with five agents and
// the runtime that the machine allows.
type Options struct {
	// Runtime to use. Default RuntimeAuto.
	Runtime Runtime
	// Agents in the Mesos cluster. Default 5.
	Agents int
	// AgentResources of each, in Mesos' text form without ports.
	// Default cpus:2;mem:3072;disk:10000.
	AgentResources string
	// Root of the repository: bin/ and config/ are found in it. Default: looked for
	// upwards from the working directory and from the executable.
	Root string
	// RemoteHost, if not nil, has the nodes on another machine, with real containers.
	// Agents and AgentResources are ignored then.
	RemoteHost *RemoteHost
	// Progress is called with each line of progress. It may be nil.
	Progress func(line string)
	// KeepLogs keeps the logs, even if nothing fails.
	KeepLogs bool
}

func (o Options) withDefaults() (Options, error) {
	if o.Agents == 0 {
		o.Agents = 5
	}
	if o.Agents < 1 || o.Agents > maxAgents {
		return o, fmt.Errorf("a playground has between 1 and %d agents, not %d", maxAgents, o.Agents)
	}
	if o.AgentResources == "" {
		o.AgentResources = "cpus:2;mem:3072;disk:10000"
	}
	if o.Progress == nil {
		o.Progress = func(string) {}
	}
	var err error
	if o.RemoteHost != nil {
		o.Runtime = RuntimeContainerd
	} else if o.Runtime, err = chooseRuntime(o.Runtime); err != nil {
		return o, err
	}
	if o.Root == "" {
		o.Root, err = findRoot()
	}
	return o, err
}

// RealContainers returns why this machine cannot run real containers, or nil if it can.
func RealContainers() error {
	switch {
	case runtime.GOOS != "linux":
		return fmt.Errorf("real containers need Linux, and this is %s", runtime.GOOS)
	case os.Geteuid() != 0:
		return errors.New("real containers need root")
	}
	for _, tool := range []string{"ip", "nsenter", "nft", "busybox"} {
		if _, err := exec.LookPath(tool); err != nil {
			return fmt.Errorf("real containers need %s, which is not installed", tool)
		}
	}
	// Root in a container may not have this right.
	ns, err := newNamespace()
	if err != nil {
		return fmt.Errorf("real containers need network namespaces: %w", err)
	}
	return ns.Close()
}

func chooseRuntime(wanted Runtime) (Runtime, error) {
	switch wanted {
	case RuntimeFake:
		return RuntimeFake, nil
	case RuntimeContainerd:
		return RuntimeContainerd, RealContainers()
	case RuntimeAuto, "":
		if RealContainers() != nil {
			return RuntimeFake, nil
		}
		return RuntimeContainerd, nil
	}
	return "", fmt.Errorf("unknown runtime %q: want auto, containerd or fake", wanted)
}

// findRoot looks upwards for the folder that holds the product.
func findRoot() (string, error) {
	var starts []string
	if dir, err := os.Getwd(); err == nil {
		starts = append(starts, dir)
	}
	if file, err := os.Executable(); err == nil {
		starts = append(starts, filepath.Dir(file))
	}
	for _, dir := range starts {
		for ; dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
			module, err := os.ReadFile(filepath.Join(dir, "go.mod"))
			if err == nil && strings.HasPrefix(string(module), "module github.com/k8sm/k8sm\n") {
				return dir, nil
			}
		}
	}
	return "", fmt.Errorf("the repository is not above %s: run this inside of it", strings.Join(starts, " or "))
}

// bin returns the path of one of the repository's binaries.
func (o Options) bin(name string) string { return filepath.Join(o.Root, "bin", name) }

// kube returns the path of a program of Kubernetes.
func (o Options) kube(name string) string { return filepath.Join(o.Root, "bin", "kube", name) }

// checkBuilt returns an error with all binaries that are missing and the command that builds them.
func (o Options) checkBuilt() error {
	wanted := []string{
		o.bin("operator"), o.bin("executor"), o.kube("kube"), o.kube("etcd"), o.kube("kube-apiserver"),
	}
	if o.Runtime == RuntimeContainerd {
		for _, name := range containerArtifacts {
			wanted = append(wanted, o.kube(name))
		}
	}
	var missing []string
	for _, file := range wanted {
		if _, err := os.Stat(file); err != nil {
			missing = append(missing, file)
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("not built yet: %s (run 'make build kube')", strings.Join(missing, ", "))
	}
	return nil
}
