package noderuntime

import (
	"context"
	"errors"
	"path/filepath"

	"github.com/k8sm/k8sm/mesos/kubelet/config"
	"github.com/k8sm/k8sm/mesos/kubelet/layout"
	"github.com/k8sm/k8sm/mesos/kubelet/machine"
	"github.com/k8sm/k8sm/mesos/kubelet/mount"
	"github.com/k8sm/k8sm/mesos/kubelet/network"
	"github.com/k8sm/k8sm/mesos/kubelet/preflight"
	"github.com/k8sm/k8sm/mesos/kubelet/sweep"
	"github.com/k8sm/k8sm/mesos/kubelet/tool"
)

// OwnContainerd runs containers in a containerd that the executor starts from the artifacts.
// System paths are the node's own, in the executor's mount namespace.
type OwnContainerd struct {
	isolation
	layout     layout.Layout
	containerd config.Containerd
}

// NewOwnContainerd finds what such a node needs of the agent. What the agent has to offer is
// filled into c.
func NewOwnContainerd(containerID string, l layout.Layout, c config.Containerd) (Runtime, error) {
	i, err := detect(containerID)
	if err != nil {
		return nil, err
	}
	r := &OwnContainerd{i, l, c}
	if err := preflight.CheckPlace(filepath.Dir(l.Dir), r.replaced()...); err != nil {
		return nil, err
	}
	needed := neededTools
	if !c.ExternalCNI {
		needed = append(needed, "iptables|nft")
	}
	if err := tool.Require(needed...); err != nil {
		return nil, err
	}
	// The plugin's rules of nftables cannot be overruled for single addresses, so the
	// firewall masquerades there.
	r.containerd.Masquerade = tool.Has("iptables") || !c.HasClusterCIDRs
	r.containerd.RestrictOOMScore = !machine.CanLowerOOMScore()
	return r, nil
}

// replaced are the system's folders in the place of which the node sees its own.
func (o *OwnContainerd) replaced() []string {
	var folders []string
	for _, b := range o.binds() {
		folders = append(folders, b.Target)
	}
	return folders
}

// neededTools are the agent's programs without which a kubelet mounts no volume.
var neededTools = []string{"mount", "umount"}

// Describe implements Runtime.
func (o *OwnContainerd) Describe(r *sweep.Record) {
	o.isolation.Describe(r)
	r.Network = o.network()
}

// network is the name of the bridge and CNI network, if containerd makes one.
func (o *OwnContainerd) network() string {
	if o.containerd.ExternalCNI {
		return ""
	}
	return network.Name(o.containerd.NodeName)
}

// Isolate implements Runtime.
func (o *OwnContainerd) Isolate(ctx context.Context, cpus float64, memory int64) (err error) {
	if err := o.enter(cpus, memory); err != nil {
		return err
	}
	if o.held, err = mount.BindAll(ctx, layout.Locks, o.binds()); err != nil {
		return err
	}
	return mount.Hide(agentCredentials...)
}

// agentCredentials are where a kubelet looks for credentials of image registries besides its
// own folder and its home. They are the agent's, and not meant for pods.
var agentCredentials = []string{"/.docker", "/.dockercfg"}

// Check implements Runtime.
func (o *OwnContainerd) Check() error {
	return errors.Join(preflight.CheckKernelLog(preflight.KernelLog), preflight.CheckSysctls(procSys, true), preflight.CheckStateFolder(filepath.Dir(o.layout.Dir), o.layout.Dir))
}

// binds lists the system paths that kubelet, containerd and CNI plugins insist on (sockets of
// device plugins and shims, symbolic links to logs, results of CNI plugins), and the paths
// that pods of node agents look into: drivers of volumes and networks find what they expect
// on a node, and it is this node's alone.
func (o *OwnContainerd) binds() []mount.Bind {
	l := o.layout
	binds := []mount.Bind{
		{Source: l.Kubelet(), Target: layout.KubeletRoot},
		{Source: l.CNIState(), Target: layout.CNIState},
		{Source: l.PodLogs(), Target: layout.PodLogs},
		{Source: l.ContainerLogs(), Target: layout.ContainerLogs},
		{Target: layout.ContainerdState},
	}
	if o.containerd.ExternalCNI {
		binds = append(binds, mount.Bind{Source: l.CNIConf(), Target: layout.CNIConf}, mount.Bind{Source: l.CNIBin(), Target: layout.CNIBin},
			mount.Bind{Target: layout.NetworkNamespaces})
	}
	return binds
}

// Configure implements Runtime.
func (o *OwnContainerd) Configure() ([]string, error) {
	return []string{"--config=" + o.layout.ContainerdConfig()}, o.containerd.Write(o.layout)
}

// Settings implements Runtime.
func (o *OwnContainerd) Settings() config.Runtime {
	return config.Runtime{
		Socket:      layout.ContainerdSocket,
		CgroupRoot:  o.cgroup.Path,
		HasCPUQuota: o.cgroup.HasCPUQuota(),
		RootDir:     layout.KubeletRoot,
		PodLogs:     layout.PodLogs,
	}
}

// Pods implements Runtime.
func (o *OwnContainerd) Pods() (Pods, error) {
	cgroup, err := o.podsCgroup()
	return Pods{Bridge: o.network(), Cgroup: cgroup, Masquerade: !o.containerd.ExternalCNI && !o.containerd.Masquerade}, err
}

// StartKubelet implements Runtime.
func (o *OwnContainerd) StartKubelet(start func() error) error {
	copies, err := copySysctls(procSys, o.layout.Sysctls())
	if err != nil {
		return err
	}
	return mount.WithinView(nil, copies, start)
}

// Clear implements Runtime.
func (o *OwnContainerd) Clear(remove func() error) error { return o.clear(func() {}, remove) }
