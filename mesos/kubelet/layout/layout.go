// Package layout knows where a node keeps its files, and the system paths that kubelets,
// containerd and CNI plugins insist on. It only computes paths, and is used by everything
// that writes, reads or removes them.
package layout

import (
	"path/filepath"
)

// System paths that are not configurable.
const (
	// KubeletRoot is where drivers of volumes and devices expect the kubelet's folder.
	KubeletRoot = "/var/lib/kubelet"
	// PodLogs is where everybody expects the logs of pods.
	PodLogs = "/var/log/pods"
	// ContainerLogs is where the kubelet makes links to all logs.
	ContainerLogs = "/var/log/containers"
	// CNIState is where CNI plugins keep their results.
	CNIState = "/var/lib/cni"
	// CNIConf and CNIBin are where DaemonSets put configuration and plugins of a network.
	CNIConf = "/etc/cni/net.d"
	CNIBin  = "/opt/cni/bin"
	// NetworkNamespaces is where network daemons look for those of pods.
	NetworkNamespaces = "/run/netns"
	// ContainerdState is where containerd and its shims keep their sockets.
	ContainerdState = "/run/containerd"
	// Locks is for locks between the nodes of an agent. Only root can enter it.
	Locks = "/run/k8sm"
	// ContainerdSocket is that of a containerd that the executor starts.
	ContainerdSocket = ContainerdState + "/containerd.sock"
)

// Names in a node's folder that outlive the node when its executor is killed.
const (
	// RecordFile marks a folder as a node's, and records what the node has outside of it.
	RecordFile = "k8sm-node.json"
	// LockFile is held by a node's executor for as long as it lives.
	LockFile = "lock"
)

// Layout is the folder of a node. All of a node's files are in it, so that one sweep removes
// them.
type Layout struct {
	Dir string // <state folder>/<node name>
}

// Of returns the layout of a node.
func Of(stateDir, nodeName string) Layout {
	return Layout{Dir: filepath.Join(stateDir, nodeName)}
}

// In returns the path of something in the node's folder.
func (l Layout) In(elements ...string) string {
	return filepath.Join(append([]string{l.Dir}, elements...)...)
}

// Lock is the file that the node's executor holds.
func (l Layout) Lock() string { return l.In(LockFile) }

// Record is the file that names what the node has outside of its folder.
func (l Layout) Record() string { return l.In(RecordFile) }

// Bin holds the executables.
func (l Layout) Bin() string { return l.In("bin") }

// Program is an executable.
func (l Layout) Program(name string) string { return l.In("bin", name) }

// Etc holds configuration files.
func (l Layout) Etc() string { return l.In("etc") }

// Tmp is for temporary files of the programs.
func (l Layout) Tmp() string { return l.In("tmp") }

// Sysctls holds copies of settings of the machine, which the kubelet changes instead of them.
func (l Layout) Sysctls() string { return l.In("sysctl") }

// Home is the home folder of the programs. It is empty unless they put something there.
func (l Layout) Home() string { return l.In("home") }

// PKI holds the kubelet's certificates.
func (l Layout) PKI() string { return l.In("pki") }

// ClientCertificate is the kubelet's certificate and key, once it has been given one.
func (l Layout) ClientCertificate() string { return l.In("pki", "kubelet-client-current.pem") }

// Kubelet is the kubelet's folder, where it is not KubeletRoot itself.
func (l Layout) Kubelet() string { return l.In("kubelet") }

// PodLogs holds the logs of pods, where that is not the system path itself.
func (l Layout) PodLogs() string { return l.In("log", "pods") }

// ContainerLogs holds links to all logs.
func (l Layout) ContainerLogs() string { return l.In("log", "containers") }

// Plugins is for the kubelet's volume plugins.
func (l Layout) Plugins() string { return l.In("volume-plugins") }

// StaticPods holds manifests that the kubelet runs by itself.
func (l Layout) StaticPods() string { return l.In("etc", "static-pods") }

// CNIConf holds the configuration of the pods' network.
func (l Layout) CNIConf() string { return l.In("cni") }

// CNIBin holds the CNI plugins of a DaemonSet.
func (l Layout) CNIBin() string { return l.In("cni-bin") }

// CNIState holds the results of CNI plugins.
func (l Layout) CNIState() string { return l.In("cni-state") }

// CNITemplate is what containerd makes the network's configuration of.
func (l Layout) CNITemplate() string { return l.In("etc", "cni.conflist.template") }

// Containerd is the root of a containerd that the executor starts.
func (l Layout) Containerd() string { return l.In("containerd") }

// ContainerdConfig is the configuration file of that containerd.
func (l Layout) ContainerdConfig() string { return l.In("etc", "containerd.toml") }

// KubeletConfig is the kubelet's configuration file.
func (l Layout) KubeletConfig() string { return l.In("etc", "kubelet.json") }

// Kubeconfig is the kubelet's own, which it writes itself.
func (l Layout) Kubeconfig() string { return l.In("etc", "kubeconfig") }

// Bootstrap is the kubeconfig by which the kubelet asks for its first certificate.
func (l Layout) Bootstrap() string { return l.In("etc", "bootstrap-kubeconfig") }

// ClientCA holds the authorities of the kubelet's clients.
func (l Layout) ClientCA() string { return l.In("etc", "client-ca.crt") }

// StagedKubelet is the kubelet of an upgrade before it is started, and FormerKubelet the one
// before it. Both have the kubelet's name, since some programs go by that.
func (l Layout) StagedKubelet() string { return l.In("staged", "kubelet") }

// FormerKubelet is the kubelet that ran before an upgrade.
func (l Layout) FormerKubelet() string { return l.In("former", "kubelet") }
