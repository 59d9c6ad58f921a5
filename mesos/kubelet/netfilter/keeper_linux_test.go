package netfilter

import (
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/k8sm/k8sm/mesos/kubelet/kubelettest"
	"github.com/k8sm/k8sm/mesos/kubelet/tool"
)

func TestPodsCannotReachWhatIsDeniedByIPTables(t *testing.T) { testDeny(t, "iptables") }
func TestPodsCannotReachWhatIsDeniedByNFTables(t *testing.T) { testDeny(t, "nft") }

// testDeny shows the rules of A1 by bridge, by addresses, in both versions of IP, and through
// address translation.
func testDeny(t *testing.T, backend string) {
	if !kubelettest.Isolated(t) {
		return
	}
	n := newTestNet(t, backend, "iptables", "nft")
	for _, address := range []string{"0.0.0.0:5051", "[::]:5052", "0.0.0.0:80"} {
		n.listen("", address)
	}
	for _, address := range []string{":5050", ":5051", ":80"} {
		n.listen("host", address)
		n.listen("peer", address)
	}
	// A Service whose endpoint is the agent, and one whose endpoint is a master.
	run(t, "iptables -t nat -A PREROUTING -d 10.96.0.1 -p tcp --dport 80 -j DNAT --to-destination 10.8.0.1:5051",
		"iptables -t nat -A PREROUTING -d 10.96.0.2 -p tcp --dport 80 -j DNAT --to-destination 10.8.0.2:5050")
	before := ruleset(t)
	everything := []string{"10.9.0.1:5051", "10.8.0.1:5051", "10.8.0.2:5050", "10.96.0.1:80", "10.96.0.2:80", "10.8.0.2:80", "10.9.1.2:5050", "10.9.0.1:80"}
	n.want("pod", true, everything...)

	for name, where := range map[string]Rules{"bridge": {Bridge: testNetwork}, "addresses": {PodCIDRs: prefixes("10.9.0.0/24", "fd09::/64")}} {
		r := where
		r.Name, r.AgentPort, r.Deny = testNetwork, 5051, []Destination{destination("10.8.0.2/32:5050")}
		k := NewKeeper()
		for range 2 { // the second changes nothing
			kubelettest.Must(t, backends[backend](k, t.Context(), r))
		}
		n.want("pod", false, "10.9.0.1:5051", "10.8.0.1:5051", "10.8.0.2:5050", "10.96.0.1:80", "10.96.0.2:80")
		n.want("pod", true, "10.8.0.2:80", "10.9.1.2:5050", "10.9.0.1:80", "[fd09::1]:5052")
		n.want("peer", true, "10.9.1.1:5051") // another tenant's
		n.want("", true, "127.0.0.1:5051", "10.8.0.2:5050")

		r.AgentPort, r.Deny, r.DenyAlso = 5052, nil, []Destination{destination("10.8.0.0/16"), destination("10.9.1.0/24:5050")}
		r.Internal, r.Allow = prefixes("10.9.0.0/16"), []Destination{destination("10.8.0.2/32:80")}
		kubelettest.Must(t, backends[backend](k, t.Context(), r))
		n.want("pod", false, "[fd09::1]:5052", "10.8.0.2:5050")
		n.want("pod", true, "10.8.0.2:80", "10.9.1.2:5050", "10.9.1.2:5051")
		if out, _ := exec.Command("sh", "-c", "iptables-save; nft list ruleset").Output(); strings.Count(string(out), "5050") > 12 {
			t.Errorf("%s: rules pile up:\n%s", name, out)
		}
		kubelettest.Must(t, Remove(testNetwork), Remove(testNetwork))
		if after := ruleset(t); strings.Contains(after, "K8SM") || strings.Contains(after, testNetwork) {
			t.Errorf("%s: rules are left:\n%s", name, after)
		}
	}
	n.want("pod", true, everything...)
	if strings.Count(ruleset(t), "5051") != strings.Count(before, "5051") {
		t.Errorf("rules of others are gone:\n%s", ruleset(t))
	}
}

// Docker sets the policy; others end the chain with a rule.
func TestForwardedTrafficOfPodsIsAccepted(t *testing.T) {
	if !kubelettest.Isolated(t) {
		return
	}
	n := newTestNet(t, "iptables", "iptables-legacy")
	n.listen("peer", ":80")
	n.listen("pod", ":80")
	r := Rules{Name: testNetwork, Bridge: testNetwork}
	for name, tc := range map[string]struct{ program, restrict string }{
		"the policy":                    {"iptables", "$ -P FORWARD DROP"},
		"the policy of another variant": {"iptables-legacy", "$ -P FORWARD DROP && $ -N DOCKER-USER && $ -A FORWARD -j DOCKER-USER && $ -A DOCKER-USER -j RETURN"},
		"a rule at the end":             {"iptables", "$ -A FORWARD -i lo -j ACCEPT && $ -A FORWARD -j REJECT --reject-with icmp-host-prohibited"},
	} {
		program := func(script string) string { return strings.ReplaceAll(script, "$", tc.program) }
		run(t, program(tc.restrict))
		n.want("pod", false, peerAddress+":80")
		k := NewKeeper()
		if _, err := k.Apply(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		n.want("pod", true, peerAddress+":80")
		n.want("peer", true, podAddress+":80")
		// A firewall that is loaded again.
		run(t, program("$ -F && $ -X; "+tc.restrict))
		n.want("pod", false, peerAddress+":80")
		if _, err := k.Apply(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		n.want("pod", true, peerAddress+":80")
		kubelettest.Must(t, Remove(testNetwork))
		n.want("pod", false, peerAddress+":80")
		run(t, program("$ -F && $ -X && $ -P FORWARD ACCEPT"))
		if left := ruleset(t); strings.Contains(left, "K8SM") {
			t.Errorf("%s: left is\n%s", name, left)
		}
	}
}

// What the owner of the agent drops by a rule stays dropped.
func TestRulesOfTheOwnerComeBeforeAcceptance(t *testing.T) {
	if !kubelettest.Isolated(t) {
		return
	}
	n := newTestNet(t, "iptables")
	n.listen("host", ":80")
	run(t, "iptables -P FORWARD DROP", "iptables -A FORWARD -d "+hostAddress+" -j DROP")
	if _, err := NewKeeper().Apply(t.Context(), Rules{Name: testNetwork, Bridge: testNetwork}); err != nil {
		t.Fatal(err)
	}
	n.want("pod", false, hostAddress+":80")
}

// pluginRules are what the bridge plugin makes for a pod.
const pluginRules = `iptables -t nat -N CNI-aaa && iptables -t nat -A CNI-aaa -d 10.9.0.0/24 -j ACCEPT && iptables -t nat -A CNI-aaa ! -d 224.0.0.0/4 -j MASQUERADE &&
iptables -t nat -A POSTROUTING -s 10.9.0.2/32 -m comment --comment "name: \"` + testNetwork + `\" id: \"x\"" -j CNI-aaa`

func TestTrafficAmongPodsKeepsItsAddress(t *testing.T) {
	if !kubelettest.Isolated(t) {
		return
	}
	n := newTestNet(t, "iptables", "nft")
	peer, host := n.listen("peer", ":80"), n.listen("host", ":80")
	check := func(name, toPeer string) {
		t.Helper()
		n.want("pod", true, peerAddress+":80", hostAddress+":80")
		if got := <-peer; got != toPeer {
			t.Errorf("%s: a pod of another agent sees %s", name, got)
		}
		if got := <-host; got != "10.8.0.1" {
			t.Errorf("%s: a machine outside of the cluster sees %s", name, got)
		}
	}
	run(t, pluginRules)
	check("without a cluster CIDR", "10.9.1.1")
	r := Rules{Name: testNetwork, Bridge: testNetwork, Internal: prefixes("10.9.0.0/16", "10.9.1.0/24")}
	k := NewKeeper()
	for range 2 { // rules that come after the plugin's have no effect
		kubelettest.Must(t, k.applyIPTables(t.Context(), r, families[0]))
	}
	check("iptables", podAddress)
	run(t, "iptables -t nat -F", "iptables -t nat -X")
	r.Masquerade = true
	kubelettest.Must(t, NewKeeper().applyNFTables(t.Context(), r))
	check("nft", podAddress)
}

func TestProcessesOfACgroupAreDenied(t *testing.T) {
	if !kubelettest.Isolated(t) {
		return
	}
	n := newTestNet(t, "iptables", "nft")
	n.listen("", "0.0.0.0:5051")
	n.listen("host", ":5050")
	// nft looks for the path here.
	if out, err := exec.Command("sh", "-c", "umount -R /sys/fs/cgroup; mount -t cgroup2 none /sys/fs/cgroup && mkdir -p /sys/fs/cgroup/k8sm-test/kubepods/pod1").CombinedOutput(); err != nil {
		t.Skipf("needs cgroup version 2: %s", out)
	}
	defer run(t, "rmdir /sys/fs/cgroup/k8sm-test/kubepods/pod1 /sys/fs/cgroup/k8sm-test/kubepods /sys/fs/cgroup/k8sm-test")
	r := Rules{Name: testNetwork, Cgroup: "/k8sm-test/kubepods", AgentPort: 5051, Deny: []Destination{destination("10.8.0.2/32:5050")}}
	for name, apply := range backends {
		if err := apply(NewKeeper(), t.Context(), r); err != nil {
			t.Logf("this kernel cannot match cgroups by %s: %v", name, err)
			continue
		}
		for _, address := range []string{"127.0.0.1 5051", "10.9.0.1 5051", "10.8.0.2 5050"} {
			connect := `exec 3<>/dev/tcp/` + strings.ReplaceAll(address, " ", "/")
			if out, err := exec.Command("timeout", "3", "bash", "-c", connect).CombinedOutput(); err != nil {
				t.Errorf("%s: the executor itself does not reach %s: %s", name, address, out)
			}
			inside := "echo $$ > /sys/fs/cgroup/k8sm-test/kubepods/pod1/cgroup.procs; " + connect
			if err := exec.Command("timeout", "0.5", "bash", "-c", inside).Run(); err == nil {
				t.Errorf("%s: a pod with the agent's network reaches %s", name, address)
			}
		}
		kubelettest.Must(t, Remove(testNetwork))
	}
	// A kernel, or a path, that cannot be matched is reported, and the rest is denied.
	r.Cgroup, r.Bridge = "/no/such/cgroup", testNetwork
	result, err := NewKeeper().Apply(t.Context(), r)
	if err != nil || result.HostNetwork == nil {
		t.Errorf("result %v, %v", result, err)
	}
	n.want("pod", false, "10.9.0.1:5051")
}

func TestMissingRulesForIPv6AreReported(t *testing.T) {
	if !kubelettest.Isolated(t) {
		return
	}
	newTestNet(t, "iptables")
	dir := t.TempDir()
	for _, name := range []string{"iptables", "iptables-save", "iptables-restore"} {
		kubelettest.Must(t, os.Symlink(tool.Find(name), dir+"/"+name))
	}
	tool.SystemFolders = nil // this process ends with the test
	t.Setenv("PATH", dir)
	result, err := NewKeeper().Apply(t.Context(), Rules{Name: testNetwork, Bridge: testNetwork, AgentPort: 5051})
	if err != nil || !errors.Is(result.IPv6, tool.ErrMissing) {
		t.Errorf("result %v, %v", result, err)
	}
	t.Setenv("PATH", t.TempDir())
	if _, err := NewKeeper().Apply(t.Context(), Rules{Name: testNetwork, AgentPort: 5051}); !errors.Is(err, tool.ErrMissing) || !strings.Contains(err.Error(), "iptables-save") {
		t.Errorf("error is %v", err)
	}
}
