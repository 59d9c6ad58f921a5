package network

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
)

// bridgeFilter is where the kernel says whether what passes a bridge passes the firewall.
const bridgeFilter = "/proc/sys/net/bridge/bridge-nf-call-iptables"

// BridgeFilter is whether traffic between two pods of a bridge passes the firewall. If it
// does not, an answer from a Service's endpoint on the same node goes past the address
// translation, and the client does not know who answers.
type BridgeFilter int

// The states of a BridgeFilter.
const (
	// FiltersAll: every bridge of this machine does.
	FiltersAll BridgeFilter = iota
	// FiltersChosen: a bridge does if it is told to.
	FiltersChosen
	// FiltersNone: the kernel's module is not loaded, so none does.
	FiltersNone
)

// ReadBridgeFilter finds out, and changes nothing: the setting is the whole machine's.
func ReadBridgeFilter(read func(file string) ([]byte, error)) (BridgeFilter, error) {
	data, err := read(bridgeFilter)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return FiltersNone, nil
	case err != nil:
		return FiltersNone, fmt.Errorf("reading whether bridges pass the firewall: %w", err)
	case strings.TrimSpace(string(data)) == "0":
		return FiltersChosen, nil
	}
	return FiltersAll, nil
}
