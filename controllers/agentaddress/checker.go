package agentaddress

import (
	"context"
	"fmt"
	"net/netip"
	"net/url"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/k8sm/k8sm/api/v1alpha1"
)

// refreshInterval is the time for which the networks of Services and the addresses of the API
// server are remembered. They hardly ever change.
const refreshInterval = time.Minute

// +kubebuilder:rbac:groups=networking.k8s.io,resources=servicecidrs,verbs=list
// +kubebuilder:rbac:groups="",resources=nodes,verbs=get;list;watch
// +kubebuilder:rbac:groups=k8sm.io,resources=mesosnodes,verbs=get;list;watch
// +kubebuilder:rbac:groups=discovery.k8s.io,namespace=default,resources=endpointslices,verbs=list

// Checker checks addresses against what the cluster knows. It is safe for concurrent use.
type Checker struct {
	// Client reads Nodes and MesosNodes from the manager's cache, indexed by Index.
	Client client.Reader
	// Live reads the rest from the API server.
	Live client.Reader
	// Allowed are the networks of the flag --agent-cidrs.
	Allowed []netip.Prefix
	// APIServer is the URL at which nodes reach the API server.
	APIServer string
	// LookupHost resolves the host name in that URL; nil if host names are not resolved.
	LookupHost LookupHost
	// Now is the clock.
	Now func() time.Time

	mu    sync.Mutex
	known Known
	until time.Time
	// resolved are the addresses that the host name in APIServer had last.
	resolved []netip.Addr
}

// LookupHost resolves a host name.
type LookupHost func(ctx context.Context, host string) ([]netip.Addr, error)

// lookupTimeout bounds a resolution: the launch of a node waits for it.
const lookupTimeout = 5 * time.Second

// Check returns why an agent's address must not be that of a node. Refused tells that from an
// error of the check itself.
func (c *Checker) Check(ctx context.Context, address, agentID string) (refused bool, err error) {
	known, err := c.readCluster(ctx)
	if err != nil {
		return false, err
	}
	if ip, err := netip.ParseAddr(address); err == nil {
		if known.Records, known.Nodes, err = c.readNodes(ctx, ip.Unmap()); err != nil {
			return false, err
		}
	}
	err = Check(address, agentID, known)
	return err != nil, err
}

// readCluster reads the networks of Services and the addresses of the API server, unless it did
// so a moment ago.
func (c *Checker) readCluster(ctx context.Context) (Known, error) {
	if known, fresh := c.remembered(); fresh {
		return known, nil
	}
	known := Known{Allowed: c.Allowed, APIServers: c.apiServerAddresses(ctx)}
	var cidrs networkingv1.ServiceCIDRList
	if err := c.Live.List(ctx, &cidrs); err != nil && !meta.IsNoMatchError(err) {
		return known, fmt.Errorf("listing the networks of Services: %w", err)
	}
	for i := range cidrs.Items {
		for _, cidr := range cidrs.Items[i].Spec.CIDRs {
			if network, err := netip.ParsePrefix(cidr); err == nil {
				known.Services = append(known.Services, network)
			}
		}
	}
	var slices discoveryv1.EndpointSliceList
	if err := c.Live.List(ctx, &slices, client.InNamespace(metav1.NamespaceDefault), client.MatchingLabels{discoveryv1.LabelServiceName: "kubernetes"}); err != nil {
		return known, fmt.Errorf("listing the addresses of the API server: %w", err)
	}
	for i := range slices.Items {
		for _, endpoint := range slices.Items[i].Endpoints {
			known.APIServers = append(known.APIServers, parseAddresses(endpoint.Addresses)...)
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.known, c.until = known, c.Now().Add(refreshInterval)
	return known, nil
}

// remembered returns what was read last, and whether that was a moment ago. The lock is not held
// while the API server answers, so that several may read at the same time.
func (c *Checker) remembered() (known Known, fresh bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.known, c.Now().Before(c.until)
}

// readNodes reads the Nodes that have an address, the MesosNodes whose agent has it, and the
// MesosNodes of these Nodes.
func (c *Checker) readNodes(ctx context.Context, ip netip.Addr) ([]v1alpha1.MesosNode, map[netip.Addr][]string, error) {
	withAddress := client.MatchingFields{fieldAddress: ip.String()}
	var records v1alpha1.MesosNodeList
	if err := c.Client.List(ctx, &records, withAddress, client.UnsafeDisableDeepCopy); err != nil {
		return nil, nil, fmt.Errorf("listing the MesosNodes with the address %s: %w", ip, err)
	}
	var nodes corev1.NodeList
	if err := c.Client.List(ctx, &nodes, withAddress, client.UnsafeDisableDeepCopy); err != nil {
		return nil, nil, fmt.Errorf("listing the Nodes with the address %s: %w", ip, err)
	}
	names := map[netip.Addr][]string{}
	for i := range nodes.Items {
		name := nodes.Items[i].Name
		names[ip] = append(names[ip], name)
		var record v1alpha1.MesosNode
		switch err := c.Client.Get(ctx, client.ObjectKey{Name: name}, &record); {
		case err == nil:
			records.Items = append(records.Items, record)
		case !apierrors.IsNotFound(err):
			return nil, nil, fmt.Errorf("reading MesosNode %s: %w", name, err)
		}
	}
	return records.Items, names, nil
}

// apiServerAddresses returns the addresses in APIServer, or behind its host name, such as those of
// a load balancer. A name that does not resolve refuses nobody: nodes may resolve it elsewhere than
// the operator. While it does not, the addresses that it had count.
func (c *Checker) apiServerAddresses(ctx context.Context) []netip.Addr {
	u, err := url.Parse(c.APIServer)
	if err != nil || u.Hostname() == "" {
		return nil
	}
	if ip, err := netip.ParseAddr(u.Hostname()); err == nil {
		return []netip.Addr{ip.Unmap()}
	}
	if c.LookupHost == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, lookupTimeout)
	defer cancel()
	found, err := c.LookupHost(ctx, u.Hostname())
	c.mu.Lock()
	defer c.mu.Unlock()
	if err == nil {
		c.resolved = nil
		for _, ip := range found {
			c.resolved = append(c.resolved, ip.Unmap())
		}
	}
	return c.resolved
}

// parseAddresses returns those of the texts that are IP addresses.
func parseAddresses(texts []string) (out []netip.Addr) {
	for _, text := range texts {
		if ip, err := netip.ParseAddr(text); err == nil {
			out = append(out, ip.Unmap())
		}
	}
	return out
}
