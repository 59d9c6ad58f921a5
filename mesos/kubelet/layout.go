package kubelet

import (
	"crypto/sha256"
	"encoding/hex"
	"path/filepath"

	"github.com/k8sm/k8sm/mesos/nodeapi"
)

// layout is where a node keeps what. All of it is in one folder below the state
// folder, so that one sweep removes it.
type layout struct {
	dir  string // <state dir>/<node name>
	real bool   // real containers: system paths are ours, in a mount namespace
	// externalCNI: a DaemonSet brings network plugins and their configuration.
	externalCNI bool
	// borrowed is the socket of the agent's own runtime, if that is used: it sees none of
	// our mounts, so the system paths are the agent's.
	borrowed string
}

func layoutOf(l *nodeapi.LaunchSpec) layout {
	return layout{
		dir:         filepath.Join(l.StateDir, l.NodeName),
		real:        l.ContainerRuntime == nodeapi.RuntimeContainerd,
		externalCNI: l.ExternalCNI,
		borrowed:    l.RuntimeSocket,
	}
}

func (p layout) in(elements ...string) string {
	return filepath.Join(append([]string{p.dir}, elements...)...)
}

func (p layout) lock() string            { return p.in(lockFile) }
func (p layout) record() string          { return p.in(recordFile) }
func (p layout) bin() string             { return p.in("bin") }
func (p layout) etc() string             { return p.in("etc") }
func (p layout) tmp() string             { return p.in("tmp") }
func (p layout) pki() string             { return p.in("pki") }
func (p layout) plugins() string         { return p.in("volume-plugins") }
func (p layout) cniConf() string         { return p.in("cni") }
func (p layout) cniBin() string          { return p.in("cni-bin") }
func (p layout) containerd() string      { return p.in("containerd") }
func (p layout) clientCert() string      { return p.in("pki", "kubelet-client-current.pem") }
func (p layout) kubeletConf() string     { return p.in("etc", "kubelet.json") }
func (p layout) kubeconfig() string      { return p.in("etc", "kubeconfig") }
func (p layout) bootstrap() string       { return p.in("etc", "bootstrap-kubeconfig") }
func (p layout) clientAuthority() string { return p.in("etc", "client-ca.crt") }
func (p layout) runtimeConf() string     { return p.in("etc", "containerd.toml") }
func (p layout) cniTemplate() string     { return p.in("etc", "cni.conflist.template") }
func (p layout) staticPods() string      { return p.in("etc", "static-pods") }
func (p layout) program(n string) string { return p.in("bin", n) }

// kubeletRoot is where drivers of volumes and devices expect the kubelet's folder.
const kubeletRoot = "/var/lib/kubelet"

// containerLogs is where the kubelet makes links to all logs.
const containerLogs = "/var/log/containers"

// rootDir is the kubelet's.
func (p layout) rootDir() string {
	if p.real {
		return kubeletRoot
	}
	return p.in("kubelet")
}

// podLogs is where the kubelet has the pods' logs written.
func (p layout) podLogs() string {
	if p.real && p.borrowed == "" {
		return "/var/log/pods"
	}
	return p.in("log", "pods")
}

// mount is a system path that, inside the node's mount namespace, is a folder of the
// node's own, or in memory where source is empty.
type mount struct{ source, target string }

// mounts lists the system paths that kubelet, containerd and CNI plugins insist on
// (device plugins' and shims' sockets, symbolic links to logs, results of CNI plugins),
// and those that pods of node agents look into: drivers of volumes and of networks too
// find what they expect on a node, and it is this node's alone.
func (p layout) mounts() []mount {
	if p.borrowed != "" {
		return nil
	}
	mounts := []mount{
		{p.in("kubelet"), kubeletRoot},
		{p.in("cni-state"), "/var/lib/cni"},
		{p.in("log", "pods"), "/var/log/pods"},
		{p.in("log", "containers"), containerLogs},
		{"", "/run/containerd"},
	}
	if p.externalCNI {
		mounts = append(mounts, mount{p.cniConf(), "/etc/cni/net.d"}, mount{p.cniBin(), "/opt/cni/bin"})
	}
	return mounts
}

// network is the name of the node's bridge and CNI network, if it makes one itself.
func (p layout) network() string {
	if !p.real || p.externalCNI || p.borrowed != "" {
		return ""
	}
	return networkName(filepath.Base(p.dir))
}

const containerdSocket = "/run/containerd/containerd.sock"

// socket of the containerd that runs the node's pods.
func (p layout) socket() string {
	if p.borrowed != "" {
		return p.borrowed
	}
	return containerdSocket
}

// networkName names a node's bridge and CNI network: unique on the agent, and short
// enough for an interface.
func networkName(nodeName string) string {
	sum := sha256.Sum256([]byte(nodeName))
	return "k8sm-" + hex.EncodeToString(sum[:5])
}
