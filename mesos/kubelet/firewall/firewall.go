// Package firewall decides which rules the agent's firewall needs for a node's pods, from the
// launch message, the addresses behind host names, and the Node's own addresses, and keeps
// them in place for as long as the node lives.
//
// It refuses to know how rules are written: that is netfilter's. Package kubelet starts it
// before it starts anything that runs pods.
package firewall

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/k8sm/k8sm/mesos/kubelet/netfilter"
	"github.com/k8sm/k8sm/mesos/nodeapi"
)

// Config of a Firewall. All functions are needed.
type Config struct {
	// Name is the node's network: see network.Name.
	Name string
	// Network is what the launch message asks for.
	Network nodeapi.Network
	// AgentEndpoint is host:port of the Mesos agent, and APIServer the URL of the API server.
	AgentEndpoint, APIServer string
	// Bridge and Cgroup are by which the pods are known: see netfilter.Rules.
	Bridge, Cgroup string
	// Masquerade: see netfilter.Rules.
	Masquerade bool

	// PodCIDRs asks for the ranges of addresses of the Node. There are none, and no error,
	// while the cluster has not given it any.
	PodCIDRs func(context.Context) ([]netip.Prefix, error)
	// Lookup resolves a host name.
	Lookup func(ctx context.Context, host string) ([]netip.Addr, error)
	// Apply puts rules in place, and changes nothing where they are.
	Apply func(context.Context, netfilter.Rules) (netfilter.Result, error)
	// Report is called with what is wrong, and with "" when nothing is.
	Report func(problem string)
}

const (
	// keepEvery is the time between two looks at the rules, and at what names stand for.
	keepEvery = time.Minute
	// firstWait is the time between the first two questions for the Node's addresses. It
	// doubles up to keepEvery.
	firstWait = 500 * time.Millisecond
	// fruitless is the number of questions for the Node's addresses after which it is
	// reported that there are none.
	fruitless = 6
)

// Firewall keeps the rules of one node.
type Firewall struct {
	Config
	podCIDRs []netip.Prefix
	asked    int
	// resolved are the addresses that a name had last.
	resolved map[string][]netip.Addr
}

// New returns a Firewall that has done nothing yet.
func New(c Config) *Firewall { return &Firewall{Config: c, resolved: map[string][]netip.Addr{}} }

// Protects reports whether pods are kept from anything.
func (f *Firewall) Protects() bool {
	return f.Network.DenyAgent || len(f.Network.Deny) > 0 || len(f.Network.DenyAlso) > 0
}

// Start puts the rules in place. A node that is to be kept from something must not run pods
// after an error.
func (f *Firewall) Start(ctx context.Context) error {
	problem, err := f.apply(ctx)
	switch {
	case err == nil:
		f.Report(problem)
		return nil
	case f.Protects():
		return fmt.Errorf("keeping pods from the Mesos agent and the masters: %w (the operator's flag --node-deny-mesos=false does without)", err)
	}
	f.Report(err.Error())
	return nil
}

// Maintain keeps the rules in place until the context ends.
func (f *Firewall) Maintain(ctx context.Context) {
	for wait := firstWait; ; wait = min(2*wait, keepEvery) {
		if len(f.podCIDRs) > 0 {
			wait = keepEvery
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
		f.askPodCIDRs(ctx)
		problem, err := f.apply(ctx)
		if err != nil {
			problem = err.Error()
		}
		if ctx.Err() == nil {
			f.Report(problem)
		}
	}
}

// askPodCIDRs asks until the Node has its addresses, which it keeps.
func (f *Firewall) askPodCIDRs(ctx context.Context) {
	if len(f.podCIDRs) > 0 {
		return
	}
	if known, err := f.PodCIDRs(ctx); err == nil {
		f.podCIDRs = known
		f.asked++
	}
}

// apply returns what could not be done although there is no error.
func (f *Firewall) apply(ctx context.Context) (problem string, err error) {
	rules, problems := f.rules(ctx)
	result, err := f.Apply(ctx, rules)
	if err != nil {
		return "", err
	}
	if result.HostNetwork != nil && f.Protects() {
		problems = append(problems, fmt.Errorf("pods that use the agent's network are not kept from the Mesos agent and the masters: %w", result.HostNetwork))
	}
	if result.IPv6 != nil && f.Protects() {
		problems = append(problems, fmt.Errorf("pods are kept from the Mesos agent and the masters over IPv4 only: %w", result.IPv6))
	}
	if err := errors.Join(problems...); err != nil {
		return "firewall: " + strings.ReplaceAll(err.Error(), "\n", "; "), nil
	}
	return "", nil
}

// rules returns what is wanted, as far as it is known.
func (f *Firewall) rules(ctx context.Context) (netfilter.Rules, []error) {
	r := netfilter.Rules{Name: f.Name, Bridge: f.Bridge, PodCIDRs: f.podCIDRs, Cgroup: f.Cgroup, Masquerade: f.Masquerade}
	var problems []error
	fail := func(err error) {
		if err != nil {
			problems = append(problems, err)
		}
	}
	var err error
	r.Internal, err = nodeapi.ParseCIDRs(f.Network.ClusterCIDRs)
	fail(err)
	if f.Bridge == "" {
		// The plugins of others may take addresses that are not the Node's.
		r.PodCIDRs = slices.Concat(f.podCIDRs, r.Internal)
		if len(r.PodCIDRs) == 0 && f.asked >= fruitless && f.Protects() {
			fail(errors.New("the addresses of the node's pods are not known, so they are kept from nothing: the Node has no podCIDR; set the operator's flag --cluster-cidr"))
		}
	}
	if f.Network.DenyAgent {
		r.AgentPort, err = portOf(f.AgentEndpoint)
		fail(err)
	}
	r.Deny, err = f.destinations(ctx, f.Network.Deny)
	fail(err)
	r.DenyAlso, err = f.destinations(ctx, f.Network.DenyAlso)
	fail(err)
	if len(r.DenyAlso) > 0 {
		r.Allow, _ = f.destinations(ctx, []string{hostPortOf(f.APIServer)})
	}
	return r, problems
}

// portOf returns the port of host:port.
func portOf(endpoint string) (uint16, error) {
	_, text, err := net.SplitHostPort(endpoint)
	port, malformed := strconv.ParseUint(text, 10, 16)
	if err != nil || malformed != nil || port == 0 {
		return 0, fmt.Errorf("the agent's endpoint %q has no port", endpoint)
	}
	return uint16(port), nil
}

// hostPortOf returns the host:port that a URL leads to.
func hostPortOf(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80"}[u.Scheme]
	}
	if port == "" {
		port = "443"
	}
	return net.JoinHostPort(u.Hostname(), port)
}

// destinations resolves names. A name that cannot be resolved now keeps the addresses that it
// had.
func (f *Firewall) destinations(ctx context.Context, texts []string) (all []netfilter.Destination, err error) {
	var problems []error
	for _, text := range texts {
		d, err := nodeapi.ParseDestination(text)
		if err != nil {
			problems = append(problems, err)
			continue
		}
		if d.Host == "" {
			all = append(all, netfilter.Destination{Prefix: d.Prefix, Port: d.Port})
			continue
		}
		addresses, err := f.Lookup(ctx, d.Host)
		if err == nil {
			f.resolved[d.Host] = addresses
		} else if len(f.resolved[d.Host]) == 0 {
			problems = append(problems, fmt.Errorf("pods are not kept from %s: %w", text, err))
		}
		for _, ip := range f.resolved[d.Host] {
			ip = ip.Unmap().WithZone("")
			all = append(all, netfilter.Destination{Prefix: netip.PrefixFrom(ip, ip.BitLen()), Port: d.Port})
		}
	}
	slices.SortStableFunc(all, func(a, b netfilter.Destination) int { return a.Prefix.Compare(b.Prefix) })
	return all, errors.Join(problems...)
}
