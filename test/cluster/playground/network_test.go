package playground

import (
	"errors"
	"net"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/google/go-cmp/cmp"
)

func addresses(cidrs ...string) func() ([]net.Addr, error) {
	return func() ([]net.Addr, error) {
		var found []net.Addr
		for _, cidr := range cidrs {
			ip, prefix, err := net.ParseCIDR(cidr)
			if err != nil {
				return nil, err
			}
			found = append(found, &net.IPNet{IP: ip, Mask: prefix.Mask})
		}
		return found, nil
	}
}

func TestFreeSlotAvoidsAddressesOfTheMachine(t *testing.T) {
	for name, tc := range map[string]struct {
		addresses []string
		want      int
	}{
		"nothing is taken":                   {nil, 180},
		"another playground runs":            {[]string{"127.0.0.1/8", "10.180.0.1/30"}, 181},
		"two others run, the first has gone": {[]string{"10.181.0.1/30", "10.182.0.1/30"}, 180},
		"an address elsewhere":               {[]string{"192.168.180.1/24", "fd00::1/64"}, 180},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := freeSlot(addresses(tc.addresses...))
			if err != nil || got != tc.want {
				t.Errorf("got %d, %v; want %d", got, err, tc.want)
			}
		})
	}
}

func TestFreeSlotTellsThatAllAreTaken(t *testing.T) {
	var all []string
	for slot := firstSlot; slot <= lastSlot; slot++ {
		n := network{slot: slot}
		all = append(all, n.hostAddress()+"/30")
	}
	if slot, err := freeSlot(addresses(all...)); err == nil {
		t.Errorf("got slot %d, want an error", slot)
	}
	broken := errors.New("no addresses")
	if _, err := freeSlot(func() ([]net.Addr, error) { return nil, broken }); !errors.Is(err, broken) {
		t.Errorf("got %v, want %v", err, broken)
	}
}

func TestRoutesAreWantedForNodesWithAddressAndRange(t *testing.T) {
	node := func(pods, address string) corev1.Node {
		n := corev1.Node{Spec: corev1.NodeSpec{PodCIDR: pods}}
		if address != "" {
			n.Status.Addresses = []corev1.NodeAddress{
				{Type: corev1.NodeHostName, Address: "some-name"}, {Type: corev1.NodeInternalIP, Address: address},
			}
		}
		return n
	}
	got := wantedRoutes([]corev1.Node{
		node("10.180.64.0/24", "10.180.1.11"), node("10.180.65.0/24", ""), node("", "10.180.1.13"),
	})
	if diff := cmp.Diff(map[string]string{"10.180.64.0/24": "10.180.1.11"}, got); diff != "" {
		t.Error(diff)
	}
}
