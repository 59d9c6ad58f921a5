package network

import "errors"

// Remove removes the bridge of a network, its ports, and the rules of address translation
// for its pods. It goes on after an error.
func Remove(network string) error {
	return errors.Join(removeBridge(network), removeIPTablesRules(network), removeNFTablesRules(network))
}
