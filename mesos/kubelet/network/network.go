// Package network names the network that a node makes for its pods, and removes what CNI
// plugins left of it: the bridge with its ports, and rules of iptables and nftables.
//
// It refuses to know nodes and containers; a network is a name to it. The configuration
// names a network by it, and the sweep removes the network of a dead node.
package network

import (
	"crypto/sha256"
	"encoding/hex"
)

// Name returns the name of a node's bridge and CNI network: unique on the agent, and short
// enough for an interface. It must never change, since a later release has to find the
// bridge of a node that died under an earlier one.
func Name(nodeName string) string {
	sum := sha256.Sum256([]byte(nodeName))
	return "k8sm-" + hex.EncodeToString(sum[:5])
}
