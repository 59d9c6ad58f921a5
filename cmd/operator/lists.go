package main

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/k8sm/k8sm/mesos/nodeapi"
)

// listFlag is a flag whose value is a list, separated by commas. Each text is parsed by itself;
// empty ones are left out.
type listFlag[T any] struct {
	values *[]T
	parse  func(text string) (T, error)
}

// String implements flag.Value. It is also called on a zero value.
func (l listFlag[T]) String() string {
	if l.values == nil {
		return ""
	}
	texts := make([]string, 0, len(*l.values))
	for _, value := range *l.values {
		texts = append(texts, fmt.Sprint(value))
	}
	return strings.Join(texts, ",")
}

// Set implements flag.Value. A flag that is set twice has its last value.
func (l listFlag[T]) Set(text string) error {
	var values []T
	for one := range strings.SplitSeq(text, ",") {
		if one = strings.TrimSpace(one); one == "" {
			continue
		}
		value, err := l.parse(one)
		if err != nil {
			return err
		}
		values = append(values, value)
	}
	*l.values = values
	return nil
}

// parseAddress accepts an IP address.
func parseAddress(text string) (string, error) {
	if _, err := netip.ParseAddr(text); err != nil {
		return "", fmt.Errorf("%q is not an IP address", text)
	}
	return text, nil
}

// parseDestination accepts a range of addresses, with a port or without.
func parseDestination(text string) (string, error) {
	_, err := nodeapi.ParseDestination(text)
	return text, err
}

// parseRange accepts a range of addresses in CIDR notation.
func parseRange(text string) (string, error) {
	_, err := nodeapi.ParseCIDRs([]string{text})
	return text, err
}

// parseNetwork returns the network that a text in CIDR notation describes.
func parseNetwork(text string) (netip.Prefix, error) {
	network, err := netip.ParsePrefix(text)
	if err != nil {
		return network, fmt.Errorf("%q is not a network in CIDR notation, as 10.0.0.0/8", text)
	}
	return network.Masked(), nil
}
