// Package address reads the addresses that Mesos masters and agents announce, and judges
// whether other hosts can use them. It opens no connection and resolves no name.
// mesos/placement, mesos/detector and the check of launch messages call it.
package address

import (
	"net/netip"
	"strings"
)

// IsHostLocal reports whether only the host itself can connect to the address: it is
// loopback, link-local, multicast or unspecified. An IPv4 address in its IPv6 form counts
// as IPv4.
//
// An agent that runs with such an --ip is unfit for nodes. The kubelet refuses the address
// as --node-ip, and nothing outside the agent could connect to the node.
func IsHostLocal(ip netip.Addr) bool {
	ip = ip.Unmap()
	return ip.IsLoopback() || ip.IsLinkLocalUnicast() || ip.IsMulticast() || ip.IsUnspecified()
}

// SplitPID splits a libprocess PID, which has the form name@host:port, such as
// "slave(1)@10.0.0.7:5051". The brackets around an IPv6 host are removed. Host and port are
// not validated; ok is false where the form is another one.
func SplitPID(pid string) (host, port string, ok bool) {
	_, address, ok := strings.Cut(pid, "@")
	if !ok {
		return "", "", false
	}
	colon := strings.LastIndexByte(address, ':')
	if colon < 0 {
		return "", "", false
	}
	return strings.Trim(address[:colon], "[]"), address[colon+1:], true
}
