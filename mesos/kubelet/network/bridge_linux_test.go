package network

import (
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/k8sm/k8sm/mesos/kubelet/kubelettest"
)

func TestBridgeIsRemovedWithItsPorts(t *testing.T) {
	if !kubelettest.Isolated(t) {
		return
	}
	if _, err := exec.LookPath("ip"); err != nil {
		t.Skip("needs iproute2")
	}
	for _, command := range []string{
		"link add k8sm-1 type bridge", "link add k8sm-2 type bridge",
		"link add veth1 type veth peer name peer1", "link add veth2 type veth peer name peer2",
		"link set veth1 master k8sm-1", "link set veth2 master k8sm-2",
	} {
		if out, err := exec.Command("ip", strings.Fields(command)...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	kubelettest.Must(t, removeBridge("k8sm-1"), removeBridge("k8sm-1"))
	links, err := listLinks()
	kubelettest.Must(t, err)
	var names []string
	for _, l := range links {
		if !strings.Contains(l.name, "0") && l.name != "lo" { // tunl0 and the like come with some kernels
			names = append(names, l.name)
		}
	}
	slices.Sort(names)
	if diff := cmp.Diff([]string{"k8sm-2", "peer2", "veth2"}, names); diff != "" {
		t.Errorf("links (-want +got):\n%s", diff)
	}
}

func TestFilteredBridgePassesTheFirewall(t *testing.T) {
	if !kubelettest.Isolated(t) {
		return
	}
	kubelettest.Must(t, MakeFilteredBridge("k8sm-1"), MakeFilteredBridge("k8sm-1"))
	out, err := exec.Command("ip", "-d", "link", "show", "k8sm-1").CombinedOutput()
	if err != nil {
		t.Skipf("needs iproute2: %s", out)
	}
	for _, want := range []string{"nf_call_iptables 1", "nf_call_ip6tables 1"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("%s is not in %s", want, out)
		}
	}
	kubelettest.Must(t, removeBridge("k8sm-1"))
}
