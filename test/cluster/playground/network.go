package playground

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strings"
)

// network has a router with a bridge, and hosts on that bridge, each a network namespace. A cable
// (a veth pair) connects this machine with the router, so that API server, master and kubectl
// reach the hosts and are reached by them.
//
//	this machine ── router ═╦═ host-1   10.S.0.0/30   this machine (.1) and router (.2)
//	                        ╠═ host-2   10.S.1.0/24   router (.1) and hosts (from .11)
//	                        ╚═ …        10.S.32.0/20  services
//	                                    10.S.64.0/18  pods, a /24 for each node
type network struct {
	id     string
	slot   int
	router *os.File
	hosts  []*host
}

// host is the network namespace of an agent.
type host struct {
	name    string
	address string
	ns      *os.File
}

const (
	firstSlot, lastSlot = 180, 250
	maxAgents           = 60
)

func (n *network) address(format string, args ...any) string {
	return fmt.Sprintf("10.%d.", n.slot) + fmt.Sprintf(format, args...)
}

func (n *network) services() string    { return n.address("32.0/20") }
func (n *network) serviceIP() string   { return n.address("32.1") }
func (n *network) pods() string        { return n.address("64.0/18") }
func (n *network) hostAddress() string { return n.address("0.1") }
func (n *network) cableName() string   { return "k8sm-" + n.id }
func namespacePath(f *os.File) string  { return fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), f.Fd()) }

// newNetwork takes addresses that this machine does not use, and builds the router
// and the cable to it.
func newNetwork(ctx context.Context, id string) (*network, error) {
	slot, err := freeSlot(net.InterfaceAddrs)
	if err != nil {
		return nil, err
	}
	n := &network{id: id, slot: slot}
	if n.router, err = newNamespace(); err != nil {
		return nil, err
	}
	// The cable comes first: its address shows other runs that the slot is taken.
	if err := ip(ctx, nil,
		fmt.Sprintf("link add %s type veth peer name cable netns %s", n.cableName(), namespacePath(n.router)),
		fmt.Sprintf("addr add %s/30 dev %s", n.hostAddress(), n.cableName()),
		fmt.Sprintf("link set %s up", n.cableName()),
	); err != nil {
		return n, err
	}
	if err := ip(ctx, n.router,
		"link set lo up",
		fmt.Sprintf("addr add %s dev cable", n.address("0.2/30")),
		"link set cable up",
		"link add bridge type bridge",
		fmt.Sprintf("addr add %s dev bridge", n.address("1.1/24")),
		"link set bridge up",
		"route add default via "+n.hostAddress(),
	); err != nil {
		return n, err
	}
	if err := forwarding(ctx, n.router); err != nil {
		return n, err
	}
	return n, ip(ctx, nil, fmt.Sprintf("route add %s via %s", n.address("0.0/16"), n.address("0.2")))
}

// addHost connects a new host to the router's bridge.
func (n *network) addHost(ctx context.Context) (*host, error) {
	ns, err := newNamespace()
	if err != nil {
		return nil, err
	}
	number := len(n.hosts) + 1
	h := &host{name: fmt.Sprintf("host-%d", number), address: n.address("1.%d", 10+number), ns: ns}
	n.hosts = append(n.hosts, h)
	if err := ip(ctx, n.router,
		fmt.Sprintf("link add %s type veth peer name eth0 netns %s", h.name, namespacePath(ns)),
		fmt.Sprintf("link set %s master bridge up", h.name),
	); err != nil {
		return nil, err
	}
	if err := ip(ctx, ns,
		"link set lo up",
		fmt.Sprintf("addr add %s/24 dev eth0", h.address),
		"link set eth0 up",
		"route add default via "+n.address("1.1"),
	); err != nil {
		return nil, err
	}
	return h, forwarding(ctx, ns)
}

// remove removes the cable and closes the namespaces: the kernel removes them, with all that is in
// them, when their last process has ended.
func (n *network) remove(ctx context.Context) error {
	err := n.removeCable(ctx)
	for _, h := range n.hosts {
		err = errors.Join(err, h.ns.Close())
	}
	return errors.Join(err, n.router.Close())
}

// removeCable removes the cable if it exists.
func (n *network) removeCable(ctx context.Context) error {
	if _, err := net.InterfaceByName(n.cableName()); err != nil {
		return nil
	}
	return ip(ctx, nil, "link delete "+n.cableName())
}

// route adds the route to a node's pods by way of their host.
func (n *network) route(ctx context.Context, pods, via string) error {
	return ip(ctx, n.router, fmt.Sprintf("route replace %s via %s", pods, via))
}

// unroute removes the route.
func (n *network) unroute(ctx context.Context, pods string) error {
	return ip(ctx, n.router, "route delete "+pods)
}

// freeSlot finds a second octet under which this machine has no address.
func freeSlot(addresses func() ([]net.Addr, error)) (int, error) {
	used, err := addresses()
	if err != nil {
		return 0, fmt.Errorf("listing addresses: %w", err)
	}
	taken := map[int]bool{}
	for _, a := range used {
		if prefix, err := netip.ParsePrefix(a.String()); err == nil && prefix.Addr().Is4() {
			if octets := prefix.Addr().As4(); octets[0] == 10 {
				taken[int(octets[1])] = true
			}
		}
	}
	for slot := firstSlot; slot <= lastSlot; slot++ {
		if !taken[slot] {
			return slot, nil
		}
	}
	return 0, fmt.Errorf("no free network between 10.%d.0.0/16 and 10.%d.0.0/16", firstSlot, lastSlot)
}

// ip runs iproute2 commands in a namespace; nil is this machine's own.
func ip(ctx context.Context, ns *os.File, commands ...string) error {
	return inNamespace(ctx, ns, strings.Join(commands, "\n")+"\n", "ip", "-batch", "-")
}

// forwarding enables forwarding in a namespace. Reverse path filters stay off, because a
// pod's packets may leave and return on different paths.
func forwarding(ctx context.Context, ns *os.File) error {
	return inNamespace(ctx, ns, "", "sh", "-c",
		"echo 1 >/proc/sys/net/ipv4/ip_forward && echo 0 >/proc/sys/net/ipv4/conf/all/rp_filter")
}

// inNamespace runs a command in a network namespace. Only the network is switched:
// `ip netns exec` would hide the cgroup file systems.
func inNamespace(ctx context.Context, ns *os.File, input string, args ...string) error {
	if ns != nil {
		args = append([]string{"nsenter", "--net=" + namespacePath(ns)}, args...)
	}
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Stdin = strings.NewReader(input)
	output, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("running %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(string(output)))
	}
	return nil
}

// primaryAddress is the machine's own first address that others could reach: a
// Node's address cannot be a loopback one.
func primaryAddress() (string, error) {
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		return "", fmt.Errorf("listing addresses: %w", err)
	}
	for _, a := range addresses {
		prefix, err := netip.ParsePrefix(a.String())
		if err == nil && prefix.Addr().Is4() && prefix.Addr().IsGlobalUnicast() {
			return prefix.Addr().String(), nil
		}
	}
	return "", errors.New("this machine has no IPv4 address but loopback, and a Node needs one")
}
