package main

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/k8sm/k8sm/mesos/nodeapi"
)

// addressList is a flag whose value is IP addresses, separated by commas.
type addressList []string

// String implements flag.Value.
func (a *addressList) String() string { return strings.Join(*a, ",") }

// Set implements flag.Value.
func (a *addressList) Set(text string) (err error) {
	*a, err = parseList(text, func(one string) error {
		if _, err := netip.ParseAddr(one); err != nil {
			return fmt.Errorf("%q is not an IP address", one)
		}
		return nil
	})
	return err
}

// destinationList is a flag whose value is ranges of addresses, each with a port or without.
type destinationList []string

// String implements flag.Value.
func (d *destinationList) String() string { return strings.Join(*d, ",") }

// Set implements flag.Value.
func (d *destinationList) Set(text string) (err error) {
	*d, err = parseList(text, func(one string) error {
		_, err := nodeapi.ParseDestination(one)
		return err
	})
	return err
}

// cidrList is a flag whose value is ranges of addresses in CIDR notation.
type cidrList []string

// String implements flag.Value.
func (c *cidrList) String() string { return strings.Join(*c, ",") }

// Set implements flag.Value.
func (c *cidrList) Set(text string) (err error) {
	*c, err = parseList(text, func(one string) error {
		_, err := nodeapi.ParseCIDRs([]string{one})
		return err
	})
	return err
}

// parseList splits a list that is separated by commas, and checks each element.
func parseList(text string, check func(one string) error) ([]string, error) {
	var list []string
	for one := range strings.SplitSeq(text, ",") {
		if one = strings.TrimSpace(one); one == "" {
			continue
		}
		if err := check(one); err != nil {
			return nil, err
		}
		list = append(list, one)
	}
	return list, nil
}
