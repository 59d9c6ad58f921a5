//go:build !linux

package mesostest

import (
	"errors"
	"net"
)

var errNoNetNS = errors.New("network namespaces need Linux")

func inNetNS(path string, f func() error) error {
	if path != "" {
		return errNoNetNS
	}
	return f()
}

func listenIn(netNS, address string) (net.Listener, error) {
	if netNS != "" {
		return nil, errNoNetNS
	}
	return net.Listen("tcp", address)
}
