package network

import (
	"os"
	"strings"
	"testing"
)

func TestFindResolvConf(t *testing.T) {
	const upstream = "# systemd-resolved\nnameserver 10.0.0.2\nsearch example.com\n"
	for name, tc := range map[string]struct {
		files   map[string]string
		want    string
		problem string
	}{
		"nameservers of the network": {map[string]string{DefaultResolvConf: upstream}, DefaultResolvConf, ""},
		"systemd-resolved": {
			map[string]string{DefaultResolvConf: "nameserver 127.0.0.53\noptions edns0", "/run/systemd/resolve/resolv.conf": upstream}, "/run/systemd/resolve/resolv.conf", "",
		},
		"NetworkManager with dnsmasq": {
			map[string]string{DefaultResolvConf: "nameserver 127.0.1.1", "/run/NetworkManager/no-stub-resolv.conf": upstream}, "/run/NetworkManager/no-stub-resolv.conf", "",
		},
		"the other file is no better": {
			map[string]string{DefaultResolvConf: "nameserver 127.0.0.53", "/run/systemd/resolve/resolv.conf": "nameserver ::1"}, DefaultResolvConf, "the nameserver 127.0.0.53",
		},
		"a loopback address among others": {map[string]string{DefaultResolvConf: upstream + "nameserver 127.0.0.1"}, DefaultResolvConf, "the nameserver 127.0.0.1"},
		"loopback in its IPv6 forms":      {map[string]string{DefaultResolvConf: "nameserver ::ffff:127.0.0.1"}, DefaultResolvConf, "::ffff:127.0.0.1"},
		"none":                            {map[string]string{DefaultResolvConf: "#nameserver 10.0.0.2\nnameserver\nsearch x"}, DefaultResolvConf, "names no nameserver"},
		"no file":                         {nil, DefaultResolvConf, "cannot be read"},
		"IPv6 with a zone":                {map[string]string{DefaultResolvConf: "nameserver fe80::1%eth0"}, DefaultResolvConf, ""},
	} {
		t.Run(name, func(t *testing.T) {
			got, problem := FindResolvConf(func(file string) ([]byte, error) {
				if text, ok := tc.files[file]; ok {
					return []byte(text), nil
				}
				return nil, os.ErrNotExist
			})
			if got != tc.want || (problem == "") != (tc.problem == "") || !strings.Contains(problem, tc.problem) {
				t.Errorf("found %s, problem %q", got, problem)
			}
			if problem != "" && !strings.Contains(problem, "template.spec.kubelet.config.resolvConf") {
				t.Errorf("%q does not say what to do", problem)
			}
		})
	}
}
