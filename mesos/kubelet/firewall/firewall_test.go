package firewall

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/k8sm/k8sm/mesos/kubelet/netfilter"
	"github.com/k8sm/k8sm/mesos/nodeapi"
)

// world is what a Firewall sees and does.
type world struct {
	mu       sync.Mutex
	hosts    map[string][]netip.Addr
	podCIDRs []netip.Prefix
	askedAt  []time.Duration
	started  time.Time
	fails    error
	result   netfilter.Result
	applied  []netfilter.Rules
	problems []string
}

func (w *world) last() netfilter.Rules {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.applied[len(w.applied)-1]
}

func (w *world) problem() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.problems[len(w.problems)-1]
}

func (w *world) firewall(network nodeapi.Network, changes ...func(*Config)) *Firewall {
	w.started = time.Now()
	c := Config{
		Name: "k8sm-0123456789", Network: network, AgentEndpoint: "10.0.0.2:5051", APIServer: "https://10.0.0.1:6443", Bridge: "k8sm-0123456789",
		PodCIDRs: func(context.Context) ([]netip.Prefix, error) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.askedAt = append(w.askedAt, time.Since(w.started))
			return w.podCIDRs, nil
		},
		Lookup: func(_ context.Context, host string) ([]netip.Addr, error) {
			w.mu.Lock()
			defer w.mu.Unlock()
			if addresses := w.hosts[host]; addresses != nil {
				return addresses, nil
			}
			return nil, errors.New("no such host")
		},
		Apply: func(_ context.Context, r netfilter.Rules) (netfilter.Result, error) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.applied = append(w.applied, r)
			return w.result, w.fails
		},
		Report: func(problem string) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.problems = append(w.problems, problem)
		},
	}
	for _, change := range changes {
		change(&c)
	}
	return New(c)
}

func addresses(texts ...string) (all []netip.Addr) {
	for _, text := range texts {
		all = append(all, netip.MustParseAddr(text))
	}
	return all
}

func prefixes(texts ...string) (all []netip.Prefix) {
	for _, text := range texts {
		all = append(all, netip.MustParsePrefix(text))
	}
	return all
}

func destination(cidr string, port uint16) netfilter.Destination {
	return netfilter.Destination{Prefix: netip.MustParsePrefix(cidr), Port: port}
}

var comparePrefixes = cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })

func external(c *Config) { c.Bridge, c.Cgroup = "", "/mesos/c1/kubepods" }

func TestRulesOfANode(t *testing.T) {
	w := &world{hosts: map[string][]netip.Addr{"zk1.example": addresses("10.0.1.2", "10.0.1.1", "fd00::1"), "k8s.example": addresses("10.0.0.9")}}
	for name, tc := range map[string]struct {
		network nodeapi.Network
		change  func(*Config)
		want    netfilter.Rules
	}{
		"nothing is denied": {nodeapi.Network{}, func(*Config) {}, netfilter.Rules{Bridge: "k8sm-0123456789"}},
		"agent, masters and ZooKeeper": {
			nodeapi.Network{DenyAgent: true, Deny: []string{"10.0.0.3:5050", "zk1.example:2181"}}, func(*Config) {},
			netfilter.Rules{Bridge: "k8sm-0123456789", AgentPort: 5051,
				Deny: []netfilter.Destination{destination("10.0.0.3/32", 5050), destination("10.0.1.1/32", 2181), destination("10.0.1.2/32", 2181), destination("fd00::1/128", 2181)}},
		},
		"more, but never the API server": {
			nodeapi.Network{DenyAlso: []string{"10.0.0.0/8", "[fd00::/8]:5051"}}, func(c *Config) { c.APIServer = "https://k8s.example" },
			netfilter.Rules{Bridge: "k8sm-0123456789", Allow: []netfilter.Destination{destination("10.0.0.9/32", 443)},
				DenyAlso: []netfilter.Destination{destination("10.0.0.0/8", 0), destination("fd00::/8", 5051)}},
		},
		"an external network": {
			nodeapi.Network{ClusterCIDRs: []string{"10.244.0.0/16"}}, external,
			netfilter.Rules{Cgroup: "/mesos/c1/kubepods", PodCIDRs: prefixes("10.244.0.0/16"), Internal: prefixes("10.244.0.0/16")},
		},
	} {
		t.Run(name, func(t *testing.T) {
			tc.want.Name = "k8sm-0123456789"
			if err := w.firewall(tc.network, tc.change).Start(t.Context()); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, w.last(), comparePrefixes); diff != "" || w.problem() != "" {
				t.Errorf("%s (-want +got):\n%s", w.problem(), diff)
			}
		})
	}
}

func TestANodeThatCannotBeProtectedDoesNotStart(t *testing.T) {
	w := &world{fails: errors.New("no iptables")}
	err := w.firewall(nodeapi.Network{DenyAgent: true}).Start(t.Context())
	if err == nil || !strings.Contains(err.Error(), "no iptables (the operator's flag --node-deny-mesos=false does without)") {
		t.Errorf("error is %v", err)
	}
	// What only helps is reported.
	if err := w.firewall(nodeapi.Network{}).Start(t.Context()); err != nil || w.problem() != "no iptables" {
		t.Errorf("error %v, problem %q", err, w.problem())
	}
}

func TestWhatIsNotProtectedIsReported(t *testing.T) {
	w := &world{result: netfilter.Result{HostNetwork: errors.New("no match cgroup"), IPv6: errors.New("no ip6tables")}}
	f := w.firewall(nodeapi.Network{DenyAgent: true, Deny: []string{"gone.example:5050"}})
	if err := f.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"pods are not kept from gone.example:5050: no such host", "pods that use the agent's network are not kept from", "no match cgroup", "over IPv4 only: no ip6tables"} {
		if !strings.Contains(w.problem(), want) {
			t.Errorf("%q is not in %q", want, w.problem())
		}
	}
	// Nobody asked for it.
	if err := w.firewall(nodeapi.Network{}).Start(t.Context()); err != nil || w.problem() != "" {
		t.Errorf("error %v, problem %q", err, w.problem())
	}
}

func TestRulesFollowNamesAndAddresses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{hosts: map[string][]netip.Addr{"m.example": addresses("10.0.0.3")}}
		f := w.firewall(nodeapi.Network{DenyAgent: true, Deny: []string{"m.example:5050"}}, external)
		if err := f.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		go f.Maintain(t.Context())
		time.Sleep(2 * time.Second)
		if got := w.last(); len(got.PodCIDRs) > 0 || w.problem() != "" {
			t.Errorf("rules %+v, problem %q", got, w.problem())
		}
		time.Sleep(time.Minute)
		if !strings.Contains(w.problem(), "set the operator's flag --cluster-cidr") {
			t.Errorf("problem is %q", w.problem())
		}
		w.mu.Lock()
		w.podCIDRs = prefixes("10.244.1.0/24")
		w.hosts["m.example"] = addresses("10.0.0.4")
		w.mu.Unlock()
		time.Sleep(2 * time.Minute)
		if got := w.last(); len(got.PodCIDRs) != 1 || got.Deny[0] != destination("10.0.0.4/32", 5050) || w.problem() != "" {
			t.Errorf("rules %+v, problem %q", got, w.problem())
		}
		// A resolver that fails takes nothing back, and the Node is not asked again.
		asked := len(w.askedAt)
		w.mu.Lock()
		delete(w.hosts, "m.example")
		w.mu.Unlock()
		time.Sleep(10 * time.Minute)
		if got := w.last(); got.Deny[0] != destination("10.0.0.4/32", 5050) || len(w.askedAt) != asked || asked > 12 {
			t.Errorf("rules %+v after %d questions, of %d", got, len(w.askedAt), asked)
		}
		w.mu.Lock()
		w.fails = errors.New("no iptables")
		w.mu.Unlock()
		time.Sleep(2 * time.Minute)
		if w.problem() != "no iptables" {
			t.Errorf("problem is %q", w.problem())
		}
	})
}

func TestEndpoints(t *testing.T) {
	for endpoint, want := range map[string]uint16{"10.0.0.2:5051": 5051, "[fd00::2]:5051": 5051, "": 0, "10.0.0.2": 0, "10.0.0.2:x": 0, "10.0.0.2:0": 0} {
		if got, err := portOf(endpoint); got != want || (err == nil) != (want != 0) {
			t.Errorf("port of %q is %d, %v", endpoint, got, err)
		}
	}
	for address, want := range map[string]string{
		"https://10.0.0.1:6443": "10.0.0.1:6443", "https://k8s.example/": "k8s.example:443", "http://10.0.0.1": "10.0.0.1:80", "https://[fd00::1]": "[fd00::1]:443", ":": "",
	} {
		if got := hostPortOf(address); got != want {
			t.Errorf("%s leads to %q", address, got)
		}
	}
}
