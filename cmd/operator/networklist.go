package main

import (
	"fmt"
	"net/netip"
	"strings"
)

// networkList is a flag whose value is networks in CIDR notation, separated by commas.
type networkList []netip.Prefix

// String implements flag.Value.
func (n *networkList) String() string {
	texts := make([]string, 0, len(*n))
	for _, network := range *n {
		texts = append(texts, network.String())
	}
	return strings.Join(texts, ",")
}

// Set implements flag.Value.
func (n *networkList) Set(text string) error {
	*n = nil
	for one := range strings.SplitSeq(text, ",") {
		if one = strings.TrimSpace(one); one == "" {
			continue
		}
		network, err := netip.ParsePrefix(one)
		if err != nil {
			return fmt.Errorf("%q is not a network in CIDR notation, as 10.0.0.0/8", one)
		}
		*n = append(*n, network.Masked())
	}
	return nil
}
