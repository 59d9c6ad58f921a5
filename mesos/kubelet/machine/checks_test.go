package machine

import (
	"errors"
	"net"
	"strings"
	"testing"

	"github.com/k8sm/k8sm/mesos/nodeapi"
)

func TestDiskMargin(t *testing.T) {
	for name, tc := range map[string]struct{ disk, want int64 }{
		"a twentieth of a small disk": {2000 * mebibyte, 100 * mebibyte},
		"not more than a GiB":         {1 << 40, 1024 * mebibyte},
		"both limits are equal":       {20 * 1024 * mebibyte, 1024 * mebibyte},
		"a disk without a size":       {0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			if got := (Machine{DiskBytes: tc.disk}).DiskMargin(); got != tc.want {
				t.Errorf("margin is %d, want %d", got, tc.want)
			}
		})
	}
}

func TestCheckPort(t *testing.T) {
	other, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	taken := other.Addr().(*net.TCPAddr).Port
	tests := map[string]struct {
		address string
		port    int
		want    string // in the error; "": no error
	}{
		"taken on this address":                       {"127.0.0.1", taken, "which Mesos offered for kubelet, is taken on 127.0.0.1"},
		"taken on another address":                    {"127.0.0.2", taken, ""},
		"port 0":                                      {"127.0.0.1", 0, ""},
		"an address that the machine has not":         {"203.0.113.1", taken, ""},
		"a text that is not an address":               {"nonsense:", taken, ""},
		"taken, and the request is for all addresses": {"", taken, "is taken"},
		"taken, and the request is in IPv6 notation":  {"::ffff:127.0.0.1", taken, "is taken"},
		"a port above 65535":                          {"127.0.0.1", 70000, ""},
		"a negative port":                             {"127.0.0.1", -1, ""},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			err := CheckPort("kubelet", tc.address, tc.port)
			if (err == nil) != (tc.want == "") || err != nil && !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error is %v, want %q in it", err, tc.want)
			}
			if errors.Is(err, nodeapi.ErrInvalid) {
				t.Errorf("another agent may do better than %v", err)
			}
		})
	}
}

func TestCheckAddress(t *testing.T) {
	if err := CheckAddress("127.0.0.1"); err != nil {
		t.Errorf("an address of this machine: %v", err)
	}
	for _, address := range []string{"203.0.113.1", "2001:db8::1", "agent-1", ""} {
		err := CheckAddress(address)
		if err == nil {
			t.Errorf("%q is taken for an address of this machine", address)
			continue
		}
		for _, want := range []string{"address " + address + " is on no interface", "127.0.0.1", "--ip="} {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%q is not in: %v", want, err)
			}
		}
	}
}
