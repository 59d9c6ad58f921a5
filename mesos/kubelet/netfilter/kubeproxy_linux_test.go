package netfilter

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/k8sm/k8sm/mesos/kubelet/kubelettest"
)

// proxyRules are what kube-proxy makes for one NodePort Service, shortened, between the
// rules of others.
const proxyRules = `*nat
:KUBE-SERVICES - [0:0]
:KUBE-NODEPORTS - [0:0]
:KUBE-POSTROUTING - [0:0]
:KUBE-SVC-AAA - [0:0]
:KUBE-SEP-BBB - [0:0]
:DOCKER - [0:0]
-A PREROUTING -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
-A OUTPUT -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
-A POSTROUTING -m comment --comment "kubernetes postrouting rules" -j KUBE-POSTROUTING
-A KUBE-SERVICES -m addrtype --dst-type LOCAL -j KUBE-NODEPORTS
-A KUBE-NODEPORTS -p tcp -m tcp --dport 31080 -j KUBE-SVC-AAA
-A KUBE-SVC-AAA -j KUBE-SEP-BBB
-A KUBE-SEP-BBB -p tcp -m tcp -j DNAT --to-destination 10.9.0.2:80
-A DOCKER -i docker0 -j RETURN
COMMIT
*filter
:KUBE-FORWARD - [0:0]
:KUBE-ROUTER-FORWARD - [0:0]
-A FORWARD -j KUBE-FORWARD
-A FORWARD -j KUBE-ROUTER-FORWARD
-A KUBE-FORWARD -m conntrack --ctstate INVALID -j DROP
COMMIT
`

func TestRulesOfKubeProxyAreRemoved(t *testing.T) {
	if !kubelettest.Isolated(t) {
		return
	}
	n := newTestNet(t, "iptables", "iptables-legacy", "nft")
	n.listen("", "0.0.0.0:31080") // another tenant's, in the range of NodePorts
	for _, program := range []string{"iptables", "iptables-legacy"} {
		load := exec.Command(program+"-restore", "--noflush")
		load.Stdin = strings.NewReader(proxyRules)
		if out, err := load.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		n.want("peer", false, "10.9.1.1:31080")
		kubelettest.Must(t, RemoveProxyRules(), RemoveProxyRules())
		n.want("peer", true, "10.9.1.1:31080")
		out, err := exec.Command(program + "-save").Output()
		kubelettest.Must(t, err)
		left := string(out)
		if strings.Contains(left, "KUBE-S") || strings.Contains(left, "KUBE-FORWARD") || !strings.Contains(left, "-A DOCKER -i docker0") || !strings.Contains(left, "KUBE-ROUTER-FORWARD") {
			t.Errorf("left by %s is\n%s", program, left)
		}
		run(t, program+" -t nat -F", program+" -t nat -X", program+" -F", program+" -X")
	}
	load := exec.Command("nft", "-f", "-")
	load.Stdin = strings.NewReader("table ip kube-proxy { chain c { type nat hook prerouting priority -100; tcp dport 31080 dnat to 10.9.0.2:80; }; }\ntable ip others { }\n")
	if out, err := load.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	n.want("peer", false, "10.9.1.1:31080")
	kubelettest.Must(t, RemoveProxyRules())
	n.want("peer", true, "10.9.1.1:31080")
	if !strings.Contains(ruleset(t), "table ip others") {
		t.Error("a table of others is gone")
	}
}

func TestForeignKubernetesIsSeen(t *testing.T) {
	listening := func(port int) string {
		return fmt.Sprintf("  sl  local_address rem_address   st\n   0: 0100007F:%04X 00000000:0000 0A 00000000:00000000\n", port)
	}
	for name, tc := range map[string]struct {
		files map[string]string
		want  string
	}{
		"nothing":                       {map[string]string{"1/comm": "executor\n", "thread-self/net/tcp": listening(31000)}, ""},
		"a kubelet":                     {map[string]string{"1/comm": "init\n", "77/comm": "kubelet\n"}, "the process 77, kubelet"},
		"a kube-proxy":                  {map[string]string{"78/comm": "kube-proxy\n"}, "the process 78, kube-proxy"},
		"one that is not seen":          {map[string]string{"1/comm": "executor\n", "thread-self/net/tcp6": listening(10256)}, "a process that listens on port 10256"},
		"a connection from such a port": {map[string]string{"thread-self/net/tcp": strings.Replace(listening(10250), " 0A ", " 01 ", 1)}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			proc := t.TempDir()
			for file, text := range tc.files {
				path := filepath.Join(proc, file)
				kubelettest.Must(t, os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o600))
			}
			if got := foreignKubernetes(proc); got != tc.want {
				t.Errorf("seen: %q", got)
			}
		})
	}
}
