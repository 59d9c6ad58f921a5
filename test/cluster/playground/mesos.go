package playground

import (
	"context"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/k8sm/k8sm/mesos/mesostest"
)

// StartMesos starts a master and the agents, each on a host of its own with the containerd
// runtime. With a RemoteHost they exist already.
func (p *Playground) StartMesos(ctx context.Context) error {
	if p.RemoteHost != nil {
		return nil
	}
	var err error
	p.Master, err = mesostest.NewMaster(mesostest.MasterOptions{Address: net.JoinHostPort(p.controlPlane.address, "0")})
	if err != nil {
		return fmt.Errorf("starting Mesos master: %w", err)
	}
	p.onStop("stopping Mesos", func(context.Context) error { return p.Master.Close() })
	for number := 1; number <= p.Agents; number++ {
		options, err := p.agentOptions(ctx, number)
		if err != nil {
			return err
		}
		if _, err := p.Master.AddAgent(options); err != nil {
			return fmt.Errorf("starting Mesos agent %s: %w", options.Hostname, err)
		}
	}
	return nil
}

func (p *Playground) agentOptions(ctx context.Context, number int) (mesostest.AgentOptions, error) {
	name := fmt.Sprintf("host-%d", number)
	options := mesostest.AgentOptions{
		Hostname:   name,
		Attributes: fmt.Sprintf("rack:r%d", (number-1)/2+1),
		Domain:     mesostest.Domain{Region: "playground", Zone: fmt.Sprintf("z%d", (number-1)%3+1)},
		WorkDir:    p.dir.file("agents", name),
		// Executors must end soon after a playground that was killed.
		RecoveryTimeout: 30 * time.Second,
	}
	if p.Runtime == RuntimeFake {
		// All agents have this machine's address, so each has ports of its own.
		first := 31000 + 50*(number-1)
		options.Resources = fmt.Sprintf("%s;ports:[%d-%d]", p.AgentResources, first, first+49)
		options.Address = net.JoinHostPort(p.controlPlane.advertise, "0")
		return options, nil
	}
	h, err := p.network.addHost(ctx)
	if err != nil {
		return options, fmt.Errorf("adding host: %w", err)
	}
	options.Resources = p.AgentResources + ";ports:[31000-31099]"
	options.NetNS = namespacePath(h.ns)
	options.Address = net.JoinHostPort(h.address, "5051")
	options.Launcher = mesostest.ProcessLauncher{CgroupRoot: filepath.Join(p.cgroups.name, name)}
	return options, nil
}

// maxKeptLog is the maximum number of bytes that are copied of each file of a sandbox.
const maxKeptLog = 16 << 20

// keepSandboxes copies the output of executors, kubelets and runtimes to the logs.
func (p *Playground) keepSandboxes() error {
	for _, root := range []string{"agents", "state"} {
		from := p.dir.file(root)
		err := filepath.WalkDir(from, func(path string, entry fs.DirEntry, err error) error {
			if err != nil || !entry.Type().IsRegular() || !isLog(entry.Name()) {
				return nil
			}
			relative, _ := filepath.Rel(from, path)
			return copyLog(path, filepath.Join(p.Logs(), root, relative))
		})
		if err != nil {
			return fmt.Errorf("keeping logs of agents: %w", err)
		}
	}
	return nil
}

func isLog(name string) bool {
	return name == "stdout" || name == "stderr" || strings.HasSuffix(name, ".log")
}

func copyLog(from, to string) error {
	info, err := os.Stat(from)
	if err != nil || info.Size() == 0 || info.Size() > maxKeptLog {
		return nil
	}
	data, err := os.ReadFile(from)
	if err != nil {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	return os.WriteFile(to, data, 0o644)
}
