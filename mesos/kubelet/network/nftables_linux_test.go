package network

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/k8sm/k8sm/mesos/kubelet/kubelettest"
)

// What CNI plugins set up for the pods of two networks, the second of a node that lives.
const nftRules = `
table inet cni_plugins_masquerade {
	chain masq_checks {
		ip saddr == 10.1.0.2 ip daddr != 10.1.0.0/24 masquerade comment "aaaaaaaaaaaaaaaa-1111111111111111, net: k8sm-1, if: eth0, id: 11111111111111111111111111111111111111111111111111111111"
		ip saddr == 10.1.0.3 ip daddr != 10.1.0.0/24 masquerade comment "aaaaaaaaaaaaaaaa-2222222222222222, net: k8sm-1, if: eth0, id: 22222222222222222222222222222222222222222222222222222222"
		ip saddr == 10.2.0.2 ip daddr != 10.2.0.0/24 masquerade comment "bbbbbbbbbbbbbbbb-3333333333333333, net: k8sm-12, if: eth0, id: 33333333333333333333333333333333333333333333333333333333"
	}
	chain postrouting {
		type nat hook postrouting priority srcnat; policy accept;
		ip daddr != 224.0.0.0/4 goto masq_checks
	}
}
table ip cni_hostport {
	chain hostports {
		tcp dport 8080 dnat to 10.1.0.2:80 comment "1111111111111111111111111111111111111111111111111111111111111111"
		tcp dport 8081 dnat to 10.2.0.2:80 comment "3333333333333333333333333333333333333333333333333333333333333333"
	}
	chain masquerading {
		ip saddr 10.1.0.2 ip daddr 10.1.0.2 masquerade comment "1111111111111111111111111111111111111111111111111111111111111111"
	}
}
table ip strangers {
	chain of_others {
		tcp dport 8082 accept comment "net: k8sm-1, id: 1111111111111111111111111111111111111111111111111111111111111111"
	}
}
`

func TestRulesOfADeadNodeAreRemoved(t *testing.T) {
	if !kubelettest.Isolated(t) {
		return
	}
	if _, err := exec.LookPath("nft"); err != nil {
		t.Skip("needs nft")
	}
	load := exec.Command("nft", "-f", "-")
	load.Stdin = strings.NewReader(nftRules)
	if out, err := load.CombinedOutput(); err != nil {
		t.Skipf("needs nftables in the kernel: %v: %s", err, out)
	}
	kubelettest.Must(t, removeNFTablesRules("k8sm-1"), removeNFTablesRules("k8sm-1"))
	var left []string
	for _, table := range []string{masqueradeTable, "ip " + hostPortTable, "ip strangers"} {
		for _, r := range parseNFTRules(listNFTTable(t.Context(), table)) {
			left = append(left, table+" "+r.chain+" "+r.comment[max(0, len(r.comment)-8):])
		}
	}
	want := []string{masqueradeTable + " masq_checks 33333333", "ip cni_hostport hostports 33333333", "ip strangers of_others 11111111"}
	if diff := cmp.Diff(want, left); diff != "" {
		t.Errorf("rules (-want +got):\n%s", diff)
	}
}
