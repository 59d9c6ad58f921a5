package nodeapi

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseDestination(t *testing.T) {
	prefix := netip.MustParsePrefix
	for text, want := range map[string]Destination{
		"zk1.example:2181":    {Host: "zk1.example", Port: 2181},
		"master:5050":         {Host: "master", Port: 5050},
		"10.0.0.1:5050":       {Prefix: prefix("10.0.0.1/32"), Port: 5050},
		"[fd00::1]:5050":      {Prefix: prefix("fd00::1/128"), Port: 5050},
		"10.1.2.3/8":          {Prefix: prefix("10.0.0.0/8")},
		"10.0.0.0/8:5051":     {Prefix: prefix("10.0.0.0/8"), Port: 5051},
		"fd00::/8":            {Prefix: prefix("fd00::/8")},
		"[fd00::/8]:5051":     {Prefix: prefix("fd00::/8"), Port: 5051},
		"10.0.0.1":            {Prefix: prefix("10.0.0.1/32")},
		"fd00::1":             {Prefix: prefix("fd00::1/128")},
		"::ffff:10.0.0.1":     {Prefix: prefix("10.0.0.1/32")},
		"[::ffff:10.0.0.1]:1": {Prefix: prefix("10.0.0.1/32"), Port: 1},
	} {
		got, err := ParseDestination(text)
		if err != nil || got != want {
			t.Errorf("%s: got %+v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "master", "master:", "master:0", "master:65536", "master:http", ":5050", "10.0.0.0/33", "10.0.0.0/33:1",
		"fd00::1%eth0", "a b:1", "-j ACCEPT:1", "x;y:1", "$(id):1", `"x":1`, "http://master:5050", "10.0.0.1/32 -j ACCEPT"} {
		if got, err := ParseDestination(text); err == nil {
			t.Errorf("%q is %+v", text, got)
		}
	}
}

func TestNetworkThatIsRefused(t *testing.T) {
	for name, tc := range map[string]struct {
		network Network
		want    string
	}{
		"a name without port":     {Network{Deny: []string{"master"}}, "network.deny: \"master\""},
		"a malformed range":       {Network{DenyAlso: []string{"10.0.0.0/40"}}, "network.denyAlso"},
		"an address of a cluster": {Network{ClusterCIDRs: []string{"10.0.0.1"}}, "network.clusterCIDRs"},
		"too much":                {Network{Deny: slices.Repeat([]string{"10.0.0.1:1"}, maxDestinations+1)}, "more than 1024"},
	} {
		l := testLaunch()
		l.Network = tc.network
		if err := l.Validate(); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// An executor of the first release works as before for an operator that denies its pods
// something.
func TestOlderExecutorsOverlookTheNetwork(t *testing.T) {
	l := testLaunch()
	l.Network = Network{DenyAgent: true, Deny: []string{"master:5050"}, DenyAlso: []string{"10.0.0.0/8"}, ClusterCIDRs: []string{"10.244.0.0/16"}}
	data, err := l.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := decodeV1(data); err != nil {
		t.Errorf("refused for its %v", err)
	}
	got, err := DecodeLaunchSpec(data)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(l.Network, got.Network); diff != "" {
		t.Errorf("network (-want +got):\n%s", diff)
	}
}
