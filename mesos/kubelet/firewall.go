package kubelet

import (
	"context"
	"net"
	"net/netip"

	"github.com/k8sm/k8sm/mesos/kubelet/firewall"
	"github.com/k8sm/k8sm/mesos/kubelet/netfilter"
	"github.com/k8sm/k8sm/mesos/kubelet/network"
)

// startFirewall puts the rules of the node's pods in place before there are any pods, and
// keeps them there.
func (n *Node) startFirewall(ctx context.Context) error {
	if !n.hasContainers() {
		return nil
	}
	pods, err := n.runtime.Pods()
	if err != nil {
		return err
	}
	if err := n.checkNetwork(ctx, pods.Bridge); err != nil {
		return err
	}
	f := firewall.New(firewall.Config{
		Name: network.Name(n.spec.NodeName), Network: n.spec.Network, AgentEndpoint: n.AgentEndpoint, APIServer: n.spec.APIServer,
		Bridge: pods.Bridge, Cgroup: pods.Cgroup, Masquerade: pods.Masquerade,
		PodCIDRs: n.apiserver.PodCIDRs, Lookup: lookup, Apply: netfilter.NewKeeper().Apply,
		Report: func(problem string) { n.health.setProblem("firewall", problem) },
	})
	if err := f.Start(ctx); err != nil {
		return err
	}
	n.running.Go(func() { f.Maintain(ctx) })
	return nil
}

func lookup(ctx context.Context, host string) ([]netip.Addr, error) {
	return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
}
