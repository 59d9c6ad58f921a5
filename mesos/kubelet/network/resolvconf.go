package network

import (
	"fmt"
	"net/netip"
	"strings"
)

// DefaultResolvConf is what the kubelet makes the resolv.conf of pods of.
const DefaultResolvConf = "/etc/resolv.conf"

// otherResolvConfs are where programs that listen on a loopback address themselves keep the
// nameservers that they ask.
var otherResolvConfs = []string{
	"/run/systemd/resolve/resolv.conf",
	"/run/NetworkManager/no-stub-resolv.conf",
	"/run/resolvconf/resolv.conf",
	"/run/dnsmasq/resolv.conf",
}

// FindResolvConf returns the file whose nameservers pods can reach: a nameserver on a
// loopback address is the agent's, and from a pod leads to the pod itself, which makes CoreDNS
// ask itself. If there is no such file, it returns the default and what is wrong with it.
func FindResolvConf(read func(file string) ([]byte, error)) (file, problem string) {
	problem = checkResolvConf(read, DefaultResolvConf)
	if problem == "" {
		return DefaultResolvConf, ""
	}
	for _, other := range otherResolvConfs {
		if checkResolvConf(read, other) == "" {
			return other, ""
		}
	}
	return DefaultResolvConf, problem + ", so pods that use the node's DNS, as CoreDNS does, resolve nothing: name a file with others in template.spec.kubelet.config.resolvConf"
}

// checkResolvConf returns what is wrong with a file, "" if pods can use it.
func checkResolvConf(read func(string) ([]byte, error), file string) string {
	data, err := read(file)
	if err != nil {
		return fmt.Sprintf("%s cannot be read (%v)", file, err)
	}
	servers := nameservers(string(data))
	if len(servers) == 0 {
		return file + " names no nameserver"
	}
	for _, s := range servers {
		if ip, err := netip.ParseAddr(s); err == nil && ip.Unmap().IsLoopback() {
			return fmt.Sprintf("%s names the nameserver %s, which only the agent itself can reach", file, s)
		}
	}
	return ""
}

func nameservers(text string) (servers []string) {
	for line := range strings.Lines(text) {
		if fields := strings.Fields(line); len(fields) > 1 && fields[0] == "nameserver" {
			servers = append(servers, fields[1])
		}
	}
	return servers
}
