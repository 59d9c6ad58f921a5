package agentaddress

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/controllers/nodemodel"
)

// Known is what addresses are compared with.
type Known struct {
	// Allowed are the only networks that agents may have addresses in; empty for any. A network
	// of one address names an agent: nobody else is taken for the owner of that address.
	Allowed []netip.Prefix
	// Services are the networks that the addresses of Services come from.
	Services []netip.Prefix
	// APIServers are the addresses of the API server.
	APIServers []netip.Addr
	// Nodes are the names of Nodes, by address.
	Nodes map[netip.Addr][]string
	// Records are the MesosNodes.
	Records []v1alpha1.MesosNode
}

// Check returns why an agent's address must not be that of a node, nil if it may be. The agent ID
// tells nodes on the same agent from others.
func Check(address, agentID string, known Known) error {
	ip, err := netip.ParseAddr(address)
	if err != nil {
		return nil // The check of the launch message refuses it, and knows better why.
	}
	ip = ip.Unmap()
	contains := func(network netip.Prefix) bool { return network.Contains(ip) }
	if i := slices.IndexFunc(known.Services, contains); i >= 0 {
		return fmt.Errorf("the agent's address %s belongs to the Services of the cluster (%s): an agent must have an address of its own, which its flags --ip and --advertise_ip set", ip, known.Services[i])
	}
	if len(known.Allowed) > 0 && !slices.ContainsFunc(known.Allowed, contains) {
		return fmt.Errorf("the agent's address %s is in none of the networks of the operator's flag --agent-cidrs", ip)
	}
	if ip.IsUnspecified() || ip.IsMulticast() {
		return fmt.Errorf("the agent's address %s is no address of a machine: set the agent's flag --ip or --advertise_ip", ip)
	}
	isNamed := func(network netip.Prefix) bool { return network.IsSingleIP() && network.Contains(ip) }
	if slices.ContainsFunc(known.Allowed, isNamed) || isOneMachine(known.APIServers) {
		return nil
	}
	if slices.Contains(known.APIServers, ip) {
		return fmt.Errorf("the agent's address %s is that of the API server; if the agent does run on that machine, name the address in the operator's flag --agent-cidrs, as %s", ip, netip.PrefixFrom(ip, ip.BitLen()))
	}
	if other := known.otherNode(ip, agentID); other != "" {
		return fmt.Errorf("the agent's address %s is that of node %s, which is on another agent", ip, other)
	}
	return nil
}

// isOneMachine reports whether nodes reach the API server at an address of its own machine only:
// then they are all on that machine, and share its addresses.
func isOneMachine(apiServers []netip.Addr) bool {
	return slices.ContainsFunc(apiServers, netip.Addr.IsLoopback)
}

// otherNode returns the name of a node with this address that is not on the agent, empty if there
// is none. Nodes whose task has ended or is lost do not count: their agent may have come back
// under another ID.
func (k Known) otherNode(ip netip.Addr, agentID string) string {
	ours := map[string]bool{}
	for i := range k.Records {
		record := &k.Records[i]
		ours[record.Name] = true
		task := record.Status.Task
		if !nodemodel.MayRun(record) || nodemodel.IsUnreachable(task) || task.AgentID == agentID {
			continue
		}
		if has, err := netip.ParseAddr(task.AgentAddress); err == nil && has.Unmap() == ip {
			return record.Name
		}
	}
	for _, name := range k.Nodes[ip] {
		if !ours[name] {
			return name
		}
	}
	return ""
}
