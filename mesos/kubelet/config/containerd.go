package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"github.com/k8sm/k8sm/mesos/kubelet/layout"
	"github.com/k8sm/k8sm/mesos/kubelet/network"
)

// Containerd is what the configuration of a containerd is made of that the executor starts.
type Containerd struct {
	NodeName string
	// SandboxImage holds a pod's namespaces. Empty: containerd's own default.
	SandboxImage string
	// StreamPort is the port of the streaming server.
	StreamPort int
	// ExternalCNI leaves the pods' network to a DaemonSet.
	ExternalCNI bool
	// HasClusterCIDRs: the addresses of the cluster's pods are known.
	HasClusterCIDRs bool
	// Masquerade: the bridge plugin masquerades what leaves the node.
	Masquerade bool
	// RestrictOOMScore: this process may not lower the score of others.
	RestrictOOMScore bool
}

// Write writes containerd's configuration, and what it makes the pods' network of.
func (c Containerd) Write(l layout.Layout) error {
	if err := makeDirs(l.Etc(), l.CNIConf()); err != nil {
		return err
	}
	return errors.Join(
		WriteFile(l.ContainerdConfig(), []byte(c.toml(l))),
		WriteFile(l.CNITemplate(), []byte(cniTemplate(c.NodeName, c.Masquerade))),
	)
}

// toml is containerd's configuration, version 3.
func (c Containerd) toml(l layout.Layout) string {
	image := ""
	if c.SandboxImage != "" {
		image = fmt.Sprintf("[plugins.'io.containerd.cri.v1.images'.pinned_images]\nsandbox = %s\n", quoted(c.SandboxImage))
	}
	return fmt.Sprintf(`version = 3
root = %[1]s
state = "/run/containerd"
disabled_plugins = [
  "io.containerd.internal.v1.opt", "io.containerd.nri.v1.nri", "io.containerd.tracing.processor.v1.otlp",
  "io.containerd.snapshotter.v1.blockfile", "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.erofs", "io.containerd.snapshotter.v1.zfs",
]

[grpc]
address = %[2]s

%[3]s
[plugins.'io.containerd.cri.v1.runtime']
restrict_oom_score_adj = %[4]t
netns_mounts_under_state_dir = %[8]t

[plugins.'io.containerd.cri.v1.runtime'.cni]
%[5]s
[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"

[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc.options]
BinaryName = %[6]s
Root = "/run/containerd/runc"
SystemdCgroup = false

[plugins.'io.containerd.grpc.v1.cri']
stream_server_address = "127.0.0.1"
stream_server_port = "%[7]d"
`, quoted(l.Containerd()), quoted(layout.ContainerdSocket), image, c.RestrictOOMScore, c.cni(l), quoted(l.Program("runc")), c.StreamPort, !c.ExternalCNI)
}

// cni names the folders of plugins and their configuration. An external network may come
// without the plugin for loopback interfaces, but not all do.
func (c Containerd) cni(l layout.Layout) string {
	if c.ExternalCNI {
		return fmt.Sprintf("bin_dirs = [%s, %s]\nconf_dir = %s\nuse_internal_loopback = true\n", quoted(l.CNIBin()), quoted(l.Bin()), quoted(l.CNIConf()))
	}
	return fmt.Sprintf("bin_dirs = [%s]\nconf_dir = %s\nconf_template = %s\n", quoted(l.Bin()), quoted(l.CNIConf()), quoted(l.CNITemplate()))
}

// quoted writes a TOML basic string; JSON's escapes are a subset of its.
func quoted(s string) string {
	b, _ := json.Marshal(s) // strings can always be marshalled
	return string(b)
}

// cniTemplate is what containerd makes the network of, once the Node has its pod address
// ranges.
func cniTemplate(nodeName string, masquerade bool) string {
	name := network.Name(nodeName)
	return `{
  "cniVersion": "1.0.0",
  "name": "` + name + `",
  "plugins": [
    {
      "type": "bridge", "bridge": "` + name + `",
      "isDefaultGateway": true, "hairpinMode": true, "ipMasq": ` + strconv.FormatBool(masquerade) + `,
      "ipam": {
        "type": "host-local",
        "ranges": [{{range $i, $range := .PodCIDRRanges}}{{if $i}}, {{end}}[{"subnet": "{{$range}}"}]{{end}}]
      }
    },
    {"type": "portmap", "capabilities": {"portMappings": true}}
  ]
}
`
}
