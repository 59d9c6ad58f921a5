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

// standInAgents are told to frameworks with an address each, as machines have: no node
// is placed where only the agent itself can reach it.
const standInAgents = 2

// StandIn starts a Mesos cluster in this process that is in a hurry, and says how to ask
// it. With credentials, secrets by principal, it lets nobody else in. The listener is
// for TLS; nil for a plain one. The caller closes the master.
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
		agent, err := master.AddAgent(mesostest.AgentOptions{IP: ip, Launcher: onLoopback{ip: ip}})
		if err != nil {
			_ = master.Close() // the first error is the one to tell
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

// onLoopback runs executors as processes that find their agent where it listens,
// whatever address frameworks are told.
type onLoopback struct {
	mesostest.ProcessLauncher
	ip string
}

// Launch implements mesostest.Launcher.
func (l onLoopback) Launch(ctx context.Context, c mesostest.Container) (mesostest.Process, error) {
	c.Env = slices.Clone(c.Env)
	for i, v := range c.Env {
		c.Env[i] = strings.ReplaceAll(v, l.ip+":", "127.0.0.1:")
	}
	return l.ProcessLauncher.Launch(ctx, c)
}
