package netfilter

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/k8sm/k8sm/mesos/kubelet/kubelettest"
	"github.com/k8sm/k8sm/mesos/kubelet/tool"
)

// The network of the tests: a pod at 10.9.0.2 behind the agent's bridge, a pod of another
// agent at 10.9.1.2, and a machine outside of the cluster at 10.8.0.2.
const (
	testNetwork = "k8sm-0123456789"
	podAddress  = "10.9.0.2"
	peerAddress = "10.9.1.2"
	hostAddress = "10.8.0.2"
)

func run(t *testing.T, commands ...string) {
	t.Helper()
	for _, command := range commands {
		if out, err := exec.Command("sh", "-c", command).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v: %s", command, err, out)
		}
	}
}

// testNet is a set of network namespaces; the agent's is the test's own.
type testNet struct {
	t          *testing.T
	namespaces map[string]*os.File
}

// newTestNet makes the namespaces. It skips the test where tools are missing.
func newTestNet(t *testing.T, tools ...string) *testNet {
	t.Helper()
	for _, name := range append(tools, "ip") {
		if !tool.Has(name) {
			t.Skipf("needs %s", name)
		}
	}
	n := &testNet{t: t, namespaces: map[string]*os.File{}}
	run(t, "mount -t tmpfs tmpfs /run", "mkdir -p /run/netns", "ip link set lo up",
		"ip link add "+testNetwork+" type bridge", "ip link set "+testNetwork+" up", "ip addr add 10.9.0.1/24 dev "+testNetwork,
		"ip -6 addr add fd09::1/64 nodad dev "+testNetwork,
		"ip link add out type bridge", "ip link set out up", "ip addr add 10.9.1.1/24 dev out", "ip addr add 10.8.0.1/24 dev out",
		"echo 1 > /proc/sys/net/ipv4/ip_forward")
	n.add("pod", testNetwork, podAddress, "10.9.0.1")
	n.add("peer", "out", peerAddress, "10.9.1.1")
	n.add("host", "out", hostAddress, "10.8.0.1")
	run(t, "ip netns exec pod ip -6 addr add fd09::2/64 nodad dev eth0")
	return n
}

func (n *testNet) add(name, bridge, address, gateway string) {
	run(n.t, "ip netns add "+name, fmt.Sprintf("ip link add v%s type veth peer name eth0 netns %s", name, name),
		fmt.Sprintf("ip link set v%s master %s up", name, bridge),
		fmt.Sprintf("ip -n %s link set lo up && ip -n %s link set eth0 up && ip -n %s addr add %s/24 dev eth0 && ip -n %s route add default via %s", name, name, name, address, name, gateway))
	f, err := os.Open("/run/netns/" + name)
	kubelettest.Must(n.t, err)
	n.namespaces[name] = f
}

// within calls do in a namespace; "" is the agent's.
func (n *testNet) within(namespace string, do func() error) error {
	if namespace == "" {
		return do()
	}
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // the thread ends with the goroutine
		if err := unix.Setns(int(n.namespaces[namespace].Fd()), unix.CLONE_NEWNET); err != nil {
			done <- err
			return
		}
		done <- do()
	}()
	return <-done
}

// listen accepts connections at an address of a namespace, and returns where they come from.
func (n *testNet) listen(namespace, address string) <-chan string {
	n.t.Helper()
	from := make(chan string, 16)
	kubelettest.Must(n.t, n.within(namespace, func() error {
		l, err := net.Listen("tcp", address)
		if err != nil {
			return err
		}
		n.t.Cleanup(func() { _ = l.Close() })
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				host, _, _ := net.SplitHostPort(c.RemoteAddr().String())
				from <- host
				_ = c.Close()
			}
		}()
		return nil
	}))
	return from
}

// connects reports whether a connection from a namespace is established in time.
func (n *testNet) connects(namespace, address string, within time.Duration) bool {
	n.t.Helper()
	err := n.within(namespace, func() error {
		ctx, cancel := context.WithTimeout(context.Background(), within)
		defer cancel()
		c, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
		if err == nil {
			_ = c.Close()
		}
		return err
	})
	if err != nil && errors.Is(err, unix.EINVAL) {
		n.t.Fatal(err)
	}
	return err == nil
}

// want checks which connections from a namespace are established.
func (n *testNet) want(namespace string, connects bool, addresses ...string) {
	n.t.Helper()
	within := 300 * time.Millisecond
	if connects {
		within = 5 * time.Second // only a busy machine needs it
	}
	for _, address := range addresses {
		if got := n.connects(namespace, address, within); got != connects {
			n.t.Errorf("a connection from %s to %s is established: %t", namespace, address, got)
		}
	}
}

func prefixes(texts ...string) (all []netip.Prefix) {
	for _, text := range texts {
		all = append(all, netip.MustParsePrefix(text))
	}
	return all
}

// destination reads 10.0.0.0/8 or 10.0.0.0/8:80.
func destination(text string) Destination {
	cidr, port, _ := strings.Cut(text, ":")
	d := Destination{Prefix: netip.MustParsePrefix(cidr)}
	if port != "" {
		_, _ = fmt.Sscan(port, &d.Port)
	}
	return d
}

func ruleset(t *testing.T) string {
	t.Helper()
	var all strings.Builder
	for _, command := range []string{"iptables-save", "ip6tables-save", "nft list ruleset"} {
		out, err := exec.Command("sh", "-c", command).Output()
		kubelettest.Must(t, err)
		all.Write(out)
	}
	return all.String()
}

// backends are the programs by which rules are written. Each test runs with both.
var backends = map[string]func(*Keeper, context.Context, Rules) error{
	"iptables": func(k *Keeper, ctx context.Context, r Rules) error {
		return errors.Join(k.applyIPTables(ctx, r, families[0]), k.applyIPTables(ctx, r, families[1]))
	},
	"nft": (*Keeper).applyNFTables,
}
