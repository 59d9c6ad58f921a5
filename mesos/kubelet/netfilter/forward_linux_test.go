package netfilter

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/k8sm/k8sm/mesos/kubelet/kubelettest"
)

func TestCheckForwarding(t *testing.T) {
	if !kubelettest.Isolated(t) {
		return
	}
	for name, tc := range map[string]struct {
		table             string
		blocked, doubtful bool
	}{
		"no chain":                     {"table inet x { }", false, false},
		"a chain that drops nothing":   {"table inet x { chain f { type filter hook forward priority 0; policy accept; ip daddr 10.0.0.1 drop; }; }", false, false},
		"the example of a workstation": {"table inet filter { chain forward { type filter hook forward priority 0; policy drop; }; }", true, false},
		"replies only":                 {"table ip x { chain f { type filter hook forward priority 0; policy drop; ct state established,related accept; iifname lo accept; }; }", true, false},
		"some interface":               {"table inet x { chain f { type filter hook forward priority 0; policy drop; iifname eth1 accept; }; }", false, true},
		"firewalld":                    {"table inet firewalld { chain p { accept; }; chain f { type filter hook forward priority 10; policy accept; ct state established accept; jump p; reject with icmpx type admin-prohibited; }; }", false, true},
		"another hook":                 {"table inet x { chain f { type filter hook input priority 0; policy drop; }; }", false, false},
	} {
		t.Run(name, func(t *testing.T) {
			load := exec.Command("nft", "-f", "-")
			load.Stdin = strings.NewReader("flush ruleset\n" + tc.table + "\n")
			if out, err := load.CombinedOutput(); err != nil {
				t.Skipf("needs nftables: %v: %s", err, out)
			}
			got := CheckForwarding(t.Context())
			if (got.Blocked != "") != tc.blocked || (got.Doubtful != "") != tc.doubtful {
				t.Errorf("found %+v", got)
			}
		})
	}
}
