package conformance

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/k8sm/k8sm/mesos/mesostest"
)

// standInAgents is the number of agents. Each announces an address of its own that is not a
// loopback address, because k8sm places no node on an agent with one.
const standInAgents = 2

// StandIn starts a Mesos cluster in this process, with short intervals, and returns the
// options for checking it. credentials are secrets by principal; nil accepts everybody.
// The listener may use TLS; nil for a plain one. The caller closes the master.
func StandIn(credentials map[string]string, listener net.Listener) (*mesostest.Master, Options, error) {
	master, err := mesostest.NewMaster(mesostest.MasterOptions{
		AllocationInterval:  20 * time.Millisecond,
		HeartbeatInterval:   200 * time.Millisecond,
		UpdateRetryInterval: 200 * time.Millisecond,
		Credentials:         credentials,
		Listener:            listener,
	})
	if err != nil {
		return nil, Options{}, err
	}
	options := Options{Masters: []string{master.Addr()}, Agents: map[string]string{}, Quiet: 300 * time.Millisecond}
	for i := range standInAgents {
		ip := fmt.Sprintf("198.18.0.%d", i+1)
		agent, err := master.AddAgent(mesostest.AgentOptions{IP: ip, Launcher: loopbackLauncher{ip: ip}})
		if err != nil {
			_ = master.Close() // the first error is returned
			return nil, Options{}, err
		}
		_, port, err := net.SplitHostPort(agent.Addr())
		if err != nil {
			_ = master.Close()
			return nil, Options{}, err
		}
		options.Agents[agent.Hostname()] = net.JoinHostPort("127.0.0.1", port)
	}
	return master, options, nil
}

// loopbackLauncher runs executors as processes. In their environment it replaces the
// address that the agent announces by the loopback address that it listens on.
type loopbackLauncher struct {
	mesostest.ProcessLauncher
	ip string
}

// Launch implements mesostest.Launcher.
func (l loopbackLauncher) Launch(ctx context.Context, c mesostest.Container) (mesostest.Process, error) {
	c.Env = slices.Clone(c.Env)
	for i, v := range c.Env {
		c.Env[i] = strings.ReplaceAll(v, l.ip+":", "127.0.0.1:")
	}
	return l.ProcessLauncher.Launch(ctx, c)
}
