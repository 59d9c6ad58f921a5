package nodeapi

import (
	"fmt"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
)

// Network is what the agent's firewall does with the traffic of a node's pods. An executor
// that is too old for it does nothing of it.
type Network struct {
	// DenyAgent: pods must not connect to the port of the Mesos agent.
	DenyAgent bool `json:"denyAgent,omitempty"`
	// Deny is where pods must not connect to, such as masters and ZooKeeper: see
	// ParseDestination. The executor resolves host names.
	Deny []string `json:"deny,omitempty"`
	// DenyAlso is the same for what a person adds. It denies neither the API server nor what
	// is in ClusterCIDRs.
	DenyAlso []string `json:"denyAlso,omitempty"`
	// ClusterCIDRs are the addresses of all pods of the cluster. What pods send there keeps
	// their addresses. Empty: not known; then only the node's own pods see them.
	ClusterCIDRs []string `json:"clusterCIDRs,omitempty"`
}

// maxDestinations bounds the lists of a Network: each is a rule that packets pass.
const maxDestinations = 1024

// Destination is a host, or a range of addresses, and a TCP port there.
type Destination struct {
	// Host is a name that has to be resolved. It is empty where Prefix is set.
	Host   string
	Prefix netip.Prefix
	// Port 0 stands for everything that is sent there.
	Port uint16
}

var hostPattern = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9_.-]{0,251}[A-Za-z0-9.])?$`)

// ParseDestination reads host:port, an address, a range of addresses in CIDR notation, or
// either with :port, where IPv6 stands in brackets: zk1.example:2181, 10.0.0.1,
// 10.0.0.0/8:5051, [fd00::/8]:5051.
func ParseDestination(text string) (Destination, error) {
	if p, ok := parseRange(text); ok {
		return Destination{Prefix: p}, nil
	}
	colon := strings.LastIndexByte(text, ':')
	if colon < 0 {
		return Destination{}, fmt.Errorf("%q is neither a range of addresses nor host:port", text)
	}
	number, err := strconv.ParseUint(text[colon+1:], 10, 16)
	if err != nil || number == 0 {
		return Destination{}, fmt.Errorf("%q has no port from 1 to 65535 at its end", text)
	}
	host := text[:colon]
	if inner, ok := strings.CutPrefix(host, "["); ok {
		host = strings.TrimSuffix(inner, "]")
	} else if strings.Contains(host, ":") {
		return Destination{}, fmt.Errorf("%q has an IPv6 address without brackets", text)
	}
	if p, ok := parseRange(host); ok {
		return Destination{Prefix: p, Port: uint16(number)}, nil
	}
	if !hostPattern.MatchString(host) {
		return Destination{}, fmt.Errorf("%q does not begin with a host name or a range of addresses", text)
	}
	return Destination{Host: host, Port: uint16(number)}, nil
}

// parseRange reads an address, or a range in CIDR notation.
func parseRange(text string) (netip.Prefix, bool) {
	if p, err := netip.ParsePrefix(text); err == nil {
		return p.Masked(), true
	}
	ip, err := netip.ParseAddr(text)
	if err != nil || ip.Zone() != "" {
		return netip.Prefix{}, false
	}
	ip = ip.Unmap()
	return netip.PrefixFrom(ip, ip.BitLen()), true
}

// ParseCIDRs reads ranges of addresses in CIDR notation.
func ParseCIDRs(texts []string) ([]netip.Prefix, error) {
	var all []netip.Prefix
	for _, text := range texts {
		p, err := netip.ParsePrefix(text)
		if err != nil {
			return nil, fmt.Errorf("%q is not a range of addresses in CIDR notation", text)
		}
		all = append(all, p.Masked())
	}
	return all, nil
}

// ParseDestinations reads several.
func ParseDestinations(texts []string) ([]Destination, error) {
	var all []Destination
	for _, text := range texts {
		d, err := ParseDestination(text)
		if err != nil {
			return nil, err
		}
		all = append(all, d)
	}
	return all, nil
}

func (l *LaunchSpec) checkFirewall() (problems []error) {
	check := func(name string, list []string) {
		if len(list) > maxDestinations {
			problems = append(problems, fmt.Errorf("network.%s has %d entries, more than %d", name, len(list), maxDestinations))
		}
		if _, err := ParseDestinations(list); err != nil {
			problems = append(problems, fmt.Errorf("network.%s: %w", name, err))
		}
	}
	check("deny", l.Network.Deny)
	check("denyAlso", l.Network.DenyAlso)
	if _, err := ParseCIDRs(l.Network.ClusterCIDRs); err != nil {
		problems = append(problems, fmt.Errorf("network.clusterCIDRs: %w", err))
	}
	return problems
}
