//go:build !linux

package netns

import (
	"errors"
	"net"
)

var errNoNetNS = errors.New("network namespaces need Linux")

// Run runs f, and fails with a namespace.
func Run(path string, f func() error) error {
	if path != "" {
		return errNoNetNS
	}
	return f()
}

// Listen opens a TCP listener, and fails with a namespace.
func Listen(netNS, address string) (net.Listener, error) {
	if netNS != "" {
		return nil, errNoNetNS
	}
	return net.Listen("tcp", address)
}
