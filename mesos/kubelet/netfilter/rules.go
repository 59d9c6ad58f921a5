// Package netfilter keeps the firewall rules of a node in the agent's network namespace: what
// its pods must not connect to, that their traffic is forwarded, and which of it is not
// masqueraded. It also finds rules of others that keep a node's pods from working, and removes
// what kube-proxy leaves.
//
// It refuses to know nodes and containers: pods are a bridge, ranges of addresses and a cgroup
// to it. Package kubelet applies the rules and keeps them in place, and the sweep removes
// those of a dead node.
package netfilter

import (
	"net/netip"
	"slices"
)

// Rules are what the agent's firewall does with the traffic of one node's pods.
type Rules struct {
	// Name is the node's network: see network.Name. All of the node's chains and tables bear
	// it, so a later release finds them.
	Name string
	// Bridge is the interface that all pods are behind, "" if the node has none of its own.
	// What is forwarded from and to it is accepted.
	Bridge string
	// PodCIDRs are the addresses of the node's pods, as far as they are known yet.
	PodCIDRs []netip.Prefix
	// Cgroup is the path of the cgroup, below the root of cgroup version 2, of the pods that
	// use the agent's network. It must exist. "" where the kernel cannot match it.
	Cgroup string
	// Deny is where pods must not connect to. It comes before Allow.
	Deny []Destination
	// AgentPort is the TCP port that pods must not connect to on any address of this machine,
	// and, where Internal is known, on any other one outside of Internal. 0 is none.
	AgentPort uint16
	// Allow and Internal are never denied by DenyAlso.
	Allow []Destination
	// Internal are the addresses of the cluster's pods. Traffic among them is not masqueraded.
	Internal []netip.Prefix
	// DenyAlso is where pods must not connect to, except to Allow and Internal.
	DenyAlso []Destination
	// Masquerade: the node masquerades what its pods send to others than Internal. Otherwise
	// the bridge plugin does, and the rules only except Internal.
	Masquerade bool
}

// Destination is a range of addresses, and a TCP port there; port 0 stands for all traffic.
type Destination struct {
	Prefix netip.Prefix
	Port   uint16
}

// deniesNothing reports whether no pod is denied anything.
func (r Rules) deniesNothing() bool {
	return r.AgentPort == 0 && len(r.Deny) == 0 && len(r.DenyAlso) == 0
}

// family is a version of IP.
type family struct {
	command string // of iptables; -save and -restore are appended
	nft     string // as nft names the version in expressions
	is4     bool
}

var families = []family{{"iptables", "ip", true}, {"ip6tables", "ip6", false}}

// has reports whether an address is of this version.
func (f family) has(p netip.Prefix) bool { return p.Addr().Is4() == f.is4 }

// prefixes returns those of this version, sorted and without those that lie in another:
// nftables takes no set with such.
func (f family) prefixes(all []netip.Prefix) []netip.Prefix {
	sorted := slices.Clone(all)
	slices.SortFunc(sorted, func(a, b netip.Prefix) int { return a.Masked().Compare(b.Masked()) })
	var own []netip.Prefix
	for _, p := range sorted {
		p = p.Masked()
		if f.has(p) && !slices.ContainsFunc(own, func(wider netip.Prefix) bool { return wider.Contains(p.Addr()) }) {
			own = append(own, p)
		}
	}
	return own
}

// destinations returns those of this version, in their order.
func (f family) destinations(all []Destination) []Destination {
	var own []Destination
	for _, d := range all {
		if d.Prefix = d.Prefix.Masked(); f.has(d.Prefix) && !slices.Contains(own, d) {
			own = append(own, d)
		}
	}
	return own
}
