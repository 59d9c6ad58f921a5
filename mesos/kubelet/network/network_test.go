package network

import (
	"strings"
	"testing"
)

func TestNetworkNamesAreUniqueAndStable(t *testing.T) {
	// A later release must find the bridge of a node that died under an earlier one.
	if got := Name("a"); got != "k8sm-ca978112ca" {
		t.Errorf("name of a's network is %q", got)
	}
	if Name("a") == Name("b") {
		t.Error("two nodes share a network")
	}
}

// The kernel takes no longer names for interfaces than 15 characters.
func TestNameFitsAnInterface(t *testing.T) {
	for _, nodeName := range []string{"", "n", "general-x7k2p", strings.Repeat("long", 60)} {
		if got := Name(nodeName); len(got) != 15 || !strings.HasPrefix(got, "k8sm-") {
			t.Errorf("network of %q is %q", nodeName, got)
		}
	}
}
