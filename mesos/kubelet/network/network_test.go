package network

import "testing"

func TestNetworkNamesDifferAndLast(t *testing.T) {
	// A later release must find the bridge of a node that died under an earlier one.
	if got := Name("a"); got != "k8sm-ca978112ca" {
		t.Errorf("name of a's network is %q", got)
	}
	if Name("a") == Name("b") {
		t.Error("two nodes share a network")
	}
}
