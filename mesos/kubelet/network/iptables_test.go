package network

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

const natTable = `*nat
:POSTROUTING ACCEPT [0:0]
:CNI-aaa - [0:0]
:CNI-bbb - [0:0]
-A POSTROUTING -s 10.244.0.2/32 -m comment --comment "name: \"k8sm-1\" id: \"x\"" -j CNI-aaa
-A POSTROUTING -s 10.244.1.2/32 -m comment --comment "name: \"k8sm-2\" id: \"y\"" -j CNI-bbb
-A POSTROUTING -s 10.0.0.0/8 -j MASQUERADE
-A CNI-HOSTPORT-DNAT -p tcp -m comment --comment "dnat name: \"k8sm-1\" id: \"x\"" -m multiport --dports 8080 -j CNI-DN-ccc
-A CNI-aaa -d 10.244.0.0/24 -m comment --comment "name: \"k8sm-1\" id: \"x\"" -j ACCEPT
-A CNI-aaa ! -d 224.0.0.0/4 -m comment --comment "name: \"k8sm-1\" id: \"x\"" -j MASQUERADE
-A CNI-bbb -d 10.244.1.0/24 -m comment --comment "name: \"k8sm-2\" id: \"y\"" -j ACCEPT
-A CNI-DN-ccc -p tcp -j DNAT --to-destination 10.244.0.2:80
COMMIT
`

func TestOnlyTheNetworksOwnRulesAreRemoved(t *testing.T) {
	want := `*nat
-D POSTROUTING -s 10.244.0.2/32 -m comment --comment "name: \"k8sm-1\" id: \"x\"" -j CNI-aaa
-D CNI-HOSTPORT-DNAT -p tcp -m comment --comment "dnat name: \"k8sm-1\" id: \"x\"" -m multiport --dports 8080 -j CNI-DN-ccc
-F CNI-aaa
-X CNI-aaa
-F CNI-DN-ccc
-X CNI-DN-ccc
COMMIT
`
	if diff := cmp.Diff(want, natRemovalScript(natTable, "k8sm-1")); diff != "" {
		t.Errorf("script (-want +got):\n%s", diff)
	}
	if got := natRemovalScript(natTable, "k8sm-3"); got != "" {
		t.Errorf("for a network without rules: %q", got)
	}
}
