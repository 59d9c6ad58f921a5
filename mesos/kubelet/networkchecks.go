package kubelet

import (
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/k8sm/k8sm/mesos/kubelet/netfilter"
	"github.com/k8sm/k8sm/mesos/kubelet/network"
)

// checkNetwork finds what would keep the pods of the node's own bridge from being reached,
// and mends what concerns this bridge alone. What it cannot be sure of is reported, and does
// not keep the node from starting.
func (n *Node) checkNetwork(ctx context.Context, bridge string) error {
	if bridge == "" {
		return nil
	}
	forwarding := netfilter.CheckForwarding(ctx)
	if forwarding.Blocked != "" {
		return fmt.Errorf("the agent's firewall forwards nothing to pods: %s drops every new connection, and no rule elsewhere can overrule it; accept there what comes from and goes to interfaces k8sm-*",
			forwarding.Blocked)
	}
	var problems []string
	if forwarding.Doubtful != "" {
		problems = append(problems, fmt.Sprintf("%s drops what it does not accept: see that it accepts what comes from and goes to interfaces k8sm-*", forwarding.Doubtful))
	}
	filter, err := network.ReadBridgeFilter(os.ReadFile)
	switch {
	case err != nil:
		problems = append(problems, err.Error())
	case filter == network.FiltersNone:
		problems = append(problems, "the kernel's module br_netfilter is not loaded, so a Service does not answer pods on the same node as its endpoint: load it when the agent boots")
	case filter == network.FiltersChosen:
		if err := network.MakeFilteredBridge(bridge); err != nil {
			return err
		}
	}
	n.health.setProblem("network", strings.Join(problems, "; "))
	return nil
}

// resolvConf returns the file that pods' resolv.conf is made of, "" for the kubelet's default
// or the pool's own, and reports a default that they cannot use.
func (n *Node) resolvConf() string {
	if _, set := n.overrides.Fields["resolvConf"]; set || !n.hasContainers() {
		return ""
	}
	file, problem := network.FindResolvConf(os.ReadFile)
	n.health.setProblem("resolv.conf", problem)
	if file == network.DefaultResolvConf {
		return ""
	}
	return file
}
