package playground

import (
	"context"
	"fmt"
	"net"
	"os"
	"time"
)

// hostContainerd is the configuration of a containerd that a host has had before Mesos.
const hostContainerd = `version = 3
root = %[1]q
state = %[2]q
disabled_plugins = ["io.containerd.nri.v1.nri", "io.containerd.tracing.processor.v1.otlp"]

[grpc]
address = %[3]q

[plugins.'io.containerd.cri.v1.images'.pinned_images]
sandbox = %[4]q

[plugins.'io.containerd.cri.v1.runtime']
restrict_oom_score_adj = true
netns_mounts_under_state_dir = true

[plugins.'io.containerd.cri.v1.runtime'.cni]
bin_dirs = [%[5]q]
conf_dir = %[6]q
conf_template = %[7]q

[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"

[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc.options]
BinaryName = %[8]q
Root = %[9]q
SystemdCgroup = %[10]t
`

const hostNetwork = `{"cniVersion": "1.0.0", "name": "host", "plugins": [{
  "type": "bridge", "bridge": "host", "isDefaultGateway": true, "hairpinMode": true,
  "ipam": {"type": "host-local", "dataDir": %q, "ranges": [[{"subnet": "{{.PodCIDR}}"}]]}}]}
`

// StartContainerd starts one on the first host, which is the host's own and knows nothing
// of Mesos. It runs until Stop. Several may be started, under different names.
func (p *Playground) StartContainerd(ctx context.Context, name string, systemdCgroups bool) (socket string, err error) {
	in := func(file string) string { return p.dir.file(name, file) }
	for _, dir := range []string{in("root"), in("state"), in("net.d")} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return "", fmt.Errorf("making containerd's folder: %w", err)
		}
	}
	template, err := p.dir.write(name+"/network", fmt.Appendf(nil, hostNetwork, in("addresses")), 0o644)
	if err != nil {
		return "", err
	}
	socket = in("containerd.sock")
	config, err := p.dir.write(name+"/config.toml", fmt.Appendf(nil, hostContainerd, in("root"), in("state"), socket, imagePause,
		p.kube(""), in("net.d"), template, p.kube("runc"), in("state/runc"), systemdCgroups), 0o644)
	if err != nil {
		return "", err
	}
	process, err := p.dir.spawn(command{
		name: name, path: "nsenter", args: []string{"--net=" + namespacePath(p.network.hosts[0].ns), p.kube("containerd"), "--config=" + config},
		env: []string{"PATH=" + p.kube("") + ":" + os.Getenv("PATH")},
	})
	if err != nil {
		return "", err
	}
	p.onStop("stopping "+name, func(context.Context) error { process.stop(10 * time.Second); return nil })
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	return socket, process.await(ctx, func(context.Context) error {
		c, err := net.Dial("unix", socket)
		if err != nil {
			return fmt.Errorf("waiting for containerd: %w", err)
		}
		return c.Close()
	})
}
