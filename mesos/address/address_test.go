package address_test

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/k8sm/k8sm/mesos/address"
)

func TestIsHostLocal(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		ip   string
		want bool
	}{
		"loopback":                      {"127.0.0.1", true},
		"another loopback address":      {"127.8.9.10", true},
		"IPv6 loopback":                 {"::1", true},
		"loopback in its IPv6 form":     {"::ffff:127.0.0.1", true},
		"link-local":                    {"169.254.3.4", true},
		"IPv6 link-local":               {"fe80::1", true},
		"IPv6 link-local with a zone":   {"fe80::1%eth0", true},
		"multicast":                     {"224.0.0.1", true},
		"IPv6 multicast":                {"ff02::1", true},
		"unspecified":                   {"0.0.0.0", true},
		"IPv6 unspecified":              {"::", true},
		"unspecified in its IPv6 form":  {"::ffff:0.0.0.0", true},
		"private":                       {"10.0.0.7", false},
		"private in its IPv6 form":      {"::ffff:10.0.0.7", false},
		"carrier-grade NAT":             {"100.64.0.1", false},
		"public":                        {"192.0.2.17", false},
		"IPv6 unique local":             {"fd00::7", false},
		"IPv6 global":                   {"2001:db8::7", false},
		"the address before loopback":   {"126.255.255.255", false},
		"the address before link-local": {"169.253.255.255", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := address.IsHostLocal(netip.MustParseAddr(tc.ip)); got != tc.want {
				t.Errorf("IsHostLocal(%s) is %v, want %v", tc.ip, got, tc.want)
			}
		})
	}
}

func TestSplitPID(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		pid, host, port string
		ok              bool
	}{
		"an agent":                   {"slave(1)@10.0.0.7:5051", "10.0.0.7", "5051", true},
		"a master":                   {"master@192.0.2.1:5050", "192.0.2.1", "5050", true},
		"IPv6 in brackets":           {"master@[2001:db8::7]:5050", "2001:db8::7", "5050", true},
		"no name before the at sign": {"@10.0.0.7:5051", "10.0.0.7", "5051", true},
		"a port that is no number":   {"master@10.0.0.7:http", "10.0.0.7", "http", true},
		"no port":                    {"master@10.0.0.7:", "10.0.0.7", "", true},
		"no colon":                   {"master@10.0.0.7", "", "", false},
		"no at sign":                 {"10.0.0.7:5051", "", "", false},
		"empty":                      {"", "", "", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			host, port, ok := address.SplitPID(tc.pid)
			if host != tc.host || port != tc.port || ok != tc.ok {
				t.Errorf("SplitPID(%q) is %q, %q, %v; want %q, %q, %v", tc.pid, host, port, ok, tc.host, tc.port, tc.ok)
			}
		})
	}
}

func ExampleSplitPID() {
	host, port, _ := address.SplitPID("slave(1)@10.0.0.7:5051")
	fmt.Println(host, port)
	// Output: 10.0.0.7 5051
}
