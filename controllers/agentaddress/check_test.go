package agentaddress

import (
	"net/netip"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/k8sm/k8sm/api/v1alpha1"
)

func networks(texts ...string) (out []netip.Prefix) {
	for _, text := range texts {
		out = append(out, netip.MustParsePrefix(text))
	}
	return out
}

func newRecord(name, agentID, address, state string) v1alpha1.MesosNode {
	return v1alpha1.MesosNode{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Status:     v1alpha1.MesosNodeStatus{Task: &v1alpha1.MesosTask{ID: name + ".1", AgentID: agentID, AgentAddress: address, State: state}},
	}
}

func TestCheck(t *testing.T) {
	base := func() Known {
		return Known{
			Services:   networks("10.96.0.0/12", "fd00:96::/112"),
			APIServers: parseAddresses([]string{"10.0.0.1", "192.0.2.1"}),
			Nodes:      map[netip.Addr][]string{netip.MustParseAddr("10.0.0.7"): {"worker-7"}, netip.MustParseAddr("10.0.0.8"): {"general-a"}},
			Records: []v1alpha1.MesosNode{
				newRecord("general-a", "S8", "10.0.0.8", "TASK_RUNNING"), newRecord("general-b", "S9", "10.0.0.9", "TASK_STAGING"),
				newRecord("general-c", "S10", "10.0.0.10", "TASK_UNREACHABLE"), newRecord("general-d", "S11", "10.0.0.11", "TASK_KILLED"),
				{ObjectMeta: metav1.ObjectMeta{Name: "general-e"}},
			},
		}
	}
	tests := map[string]struct {
		address, agentID string
		change           func(*Known)
		refusal          string // part of it; empty if the address is accepted
	}{
		"an address of nobody":                               {address: "10.0.0.99"},
		"the address of a Service":                           {address: "10.96.0.1", refusal: "10.96.0.0/12"},
		"an IPv6 address of a Service":                       {address: "fd00:96::a", refusal: "fd00:96::/112"},
		"the address of a Service, written as IPv6":          {address: "::ffff:10.96.0.1", refusal: "Services"},
		"the address of the API server":                      {address: "10.0.0.1", refusal: "10.0.0.1/32"},
		"the address at which nodes reach the API server":    {address: "192.0.2.1", refusal: "API server"},
		"the address of a Node that is not ours":             {address: "10.0.0.7", refusal: "worker-7"},
		"the address of a node on another agent":             {address: "10.0.0.8", agentID: "S1", refusal: "general-a"},
		"the address of a node that is starting elsewhere":   {address: "10.0.0.9", agentID: "S1", refusal: "general-b"},
		"the address of a node on the same agent":            {address: "10.0.0.8", agentID: "S8"},
		"an agent that came back under another ID":           {address: "10.0.0.10", agentID: "S1"},
		"the address of a node whose task has ended":         {address: "10.0.0.11", agentID: "S1"},
		"no address of a machine":                            {address: "0.0.0.0", refusal: "no address of a machine"},
		"a multicast address":                                {address: "224.0.0.1", refusal: "no address of a machine"},
		"an address that the launch message's check refuses": {address: "host-1"},
		"an address outside of --agent-cidrs": {
			address: "10.0.0.99", refusal: "--agent-cidrs", change: func(k *Known) { k.Allowed = networks("10.1.0.0/16") },
		},
		"an address in --agent-cidrs": {address: "10.1.2.3", change: func(k *Known) { k.Allowed = networks("10.0.0.0/24", "10.1.0.0/16") }},
		"the API server's address in a network of --agent-cidrs": {
			address: "10.0.0.1", refusal: "API server", change: func(k *Known) { k.Allowed = networks("10.0.0.0/24") },
		},
		"the API server's address, named by --agent-cidrs": {address: "10.0.0.1", change: func(k *Known) { k.Allowed = networks("10.0.0.1/32") }},
		"a Service's address, named by --agent-cidrs": {
			address: "10.96.0.1", refusal: "Services", change: func(k *Known) { k.Allowed = networks("10.96.0.1/32") },
		},
		"a cluster on one machine": {
			address: "10.0.0.1", agentID: "S1", change: func(k *Known) { k.APIServers = append(k.APIServers, netip.MustParseAddr("127.0.0.1")) },
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			known := base()
			if test.change != nil {
				test.change(&known)
			}
			err := Check(test.address, test.agentID, known)
			switch {
			case test.refusal == "" && err != nil:
				t.Errorf("refused: %v", err)
			case test.refusal != "" && (err == nil || !strings.Contains(err.Error(), test.refusal)):
				t.Errorf("got %v, want a refusal with %q", err, test.refusal)
			}
		})
	}
}
