package netfilter

import (
	"fmt"
	"net/netip"
	"strings"
)

// rejected is what happens to a packet that is denied.
const rejected = "reject with icmpx type admin-prohibited"

// nftTable returns the name of the node's table. What is dropped in a table of its own stays
// dropped, whatever rules of others accept, and the table is removed as a whole.
func nftTable(network string) string { return "inet " + network }

// nftScript returns what replaces the node's table, for nft -f.
func (r Rules) nftScript() string {
	var b strings.Builder
	table := nftTable(r.Name)
	// The first line makes that the second does not fail.
	fmt.Fprintf(&b, "table %[1]s\ndelete table %[1]s\ntable %[1]s {\n", table)
	if !r.deniesNothing() {
		writeChain(&b, "denied", "", r.nftDenied())
		from := r.nftSources()
		writeChain(&b, "input", "type filter hook input priority -150; policy accept;", from)
		writeChain(&b, "forward", "type filter hook forward priority -150; policy accept;", from)
		// After the address translation of what processes of this machine send.
		writeChain(&b, "output", "type filter hook output priority 0; policy accept;", r.nftLocalSources())
	}
	if r.Masquerade && r.Bridge != "" {
		writeChain(&b, "postrouting", "type nat hook postrouting priority 100; policy accept;", r.nftMasquerade())
	}
	b.WriteString("}\n")
	return b.String()
}

func writeChain(b *strings.Builder, name, kind string, rules []string) {
	fmt.Fprintf(b, "\tchain %s {\n", name)
	if kind != "" {
		fmt.Fprintf(b, "\t\t%s\n", kind)
	}
	for _, rule := range rules {
		fmt.Fprintf(b, "\t\t%s\n", rule)
	}
	b.WriteString("\t}\n")
}

// nftSources send a packet that comes from a pod to the chain denied.
func (r Rules) nftSources() (rules []string) {
	if r.Bridge != "" {
		rules = append(rules, fmt.Sprintf("iifname %q jump denied", r.Bridge))
	}
	for _, f := range families {
		if own := f.prefixes(r.PodCIDRs); len(own) > 0 {
			rules = append(rules, f.nft+" saddr "+nftSet(own)+" jump denied")
		}
	}
	return rules
}

// nftLocalSources do the same for packets that are sent from here: by IPVS, and by pods that
// use the agent's network.
func (r Rules) nftLocalSources() []string {
	rules := Rules{PodCIDRs: r.PodCIDRs}.nftSources()
	if r.Cgroup != "" {
		path := strings.Trim(r.Cgroup, "/")
		rules = append(rules, fmt.Sprintf("socket cgroupv2 level %d %q jump denied", strings.Count(path, "/")+1, path))
	}
	return rules
}

func (r Rules) nftDenied() []string {
	rules := []string{"ct state established,related return"}
	if r.AgentPort != 0 {
		rules = append(rules, "fib daddr type local tcp dport "+port(r.AgentPort)+" "+rejected)
	}
	add := func(all []Destination, verdict string) {
		for _, f := range families {
			for _, d := range f.destinations(all) {
				rule := f.nft + " daddr " + d.Prefix.String()
				if d.Port != 0 {
					rule += " tcp dport " + port(d.Port)
				}
				rules = append(rules, rule+" "+verdict)
			}
		}
	}
	add(r.Deny, rejected)
	add(r.Allow, "return")
	for _, f := range families {
		internal := f.prefixes(r.Internal)
		if len(internal) == 0 {
			continue
		}
		rules = append(rules, f.nft+" daddr "+nftSet(internal)+" return")
		if r.AgentPort != 0 {
			rules = append(rules, "meta nfproto "+nfproto(f)+" tcp dport "+port(r.AgentPort)+" "+rejected)
		}
	}
	add(r.DenyAlso, rejected)
	return rules
}

func (r Rules) nftMasquerade() (rules []string) {
	for _, f := range families {
		multicast := netip.MustParsePrefix("224.0.0.0/4")
		if !f.is4 {
			multicast = netip.MustParsePrefix("ff00::/8")
		}
		exempt := append(f.prefixes(r.Internal), multicast)
		rules = append(rules, fmt.Sprintf("meta nfproto %s iifname %q oifname != %q %s daddr != %s masquerade", nfproto(f), r.Bridge, r.Bridge, f.nft, nftSet(exempt)))
	}
	return rules
}

func nfproto(f family) string {
	if f.is4 {
		return "ipv4"
	}
	return "ipv6"
}

func nftSet(prefixes []netip.Prefix) string {
	texts := make([]string, len(prefixes))
	for i, p := range prefixes {
		texts[i] = p.String()
	}
	return "{ " + strings.Join(texts, ", ") + " }"
}
