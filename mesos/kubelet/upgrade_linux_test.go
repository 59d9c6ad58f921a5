package kubelet

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/k8sm/k8sm/mesos/kubelet/apiserver/apiservertest"
	"github.com/k8sm/k8sm/mesos/kubelet/kubelettest"
	"github.com/k8sm/k8sm/mesos/nodeapi"
)

// kubeletOf is a kubelet of that version which runs until it gets SIGTERM.
func kubeletOf(version string) string {
	return fmt.Sprintf("[ \"$1\" = --version ] && { echo Kubernetes %s; exit 0; }\necho this is %s\n", version, version) + goodKubelet
}

// testedNode is a node that is Ready, with the kubelet v1.37.2.
type testedNode struct {
	*testing.T
	node    *Node
	cluster *apiservertest.Server
	launch  *nodeapi.LaunchSpec
	reports chan Report
	last    Report
}

func start(t *testing.T) *testedNode {
	t.Helper()
	c := apiservertest.New(t, time.Now, 0)
	l, n := launchIn(t, c, kubeletOf("v1.37.2")), testNode(t)
	n.trialTime = 5 * time.Second
	message, err := l.Encode()
	if err != nil {
		t.Fatal(err)
	}
	v := &testedNode{T: t, node: n, cluster: c, launch: l, reports: make(chan Report, 100)}
	ended := make(chan error, 1)
	go func() { ended <- n.Run(message, func(r Report) { v.reports <- r }) }()
	t.Cleanup(func() {
		n.Stop(0)
		if err := <-ended; err != nil {
			t.Errorf("the node ended with %v", err)
		}
		if _, err := os.Stat(layoutOf(l).Dir); !os.IsNotExist(err) {
			t.Error("the node's folder is still there")
		}
	})
	v.await("the Node to be Ready", func(r Report) bool { return r.Ready })
	return v
}

func (v *testedNode) await(what string, is func(Report) bool) nodeapi.NodeStatus {
	v.Helper()
	patience := time.After(30 * time.Second)
	for !is(v.last) {
		select {
		case v.last = <-v.reports:
		case <-patience:
			v.Fatalf("waited for %s; the last report is %+v", what, v.last)
		}
	}
	return v.last.Status
}

// request sends an upgrade request, as the operator does: again and again until it is answered.
func (v *testedNode) request(a nodeapi.Artifact) nodeapi.NodeStatus {
	v.Helper()
	message, err := (&nodeapi.UpgradeRequest{Kubelet: a}).Encode()
	if err != nil {
		v.Fatal(err)
	}
	return v.requestMessage(a.SHA256, message)
}

func (v *testedNode) requestMessage(digest string, message []byte) nodeapi.NodeStatus {
	v.Helper()
	answered := make(chan struct{})
	defer close(answered)
	go func() {
		for {
			v.node.RequestUpgrade(message)
			select {
			case <-answered:
				return
			case <-time.After(10 * time.Millisecond):
			}
		}
	}()
	return v.await("an answer", func(r Report) bool { return r.Status.Kubelet == digest || r.Status.Upgrade.SHA256 == digest })
}

// log of all kubelets that ran.
func (v *testedNode) log() string {
	v.Helper()
	data, err := os.ReadFile(filepath.Join(v.node.Sandbox, "kubelet.log"))
	if err != nil {
		v.Fatal(err)
	}
	return string(data)
}

func (v *testedNode) awaitLog(text string, times int) {
	v.Helper()
	for range 500 {
		if strings.Count(v.log(), text) == times {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	v.Errorf("%q is not %d times in the log:\n%s", text, times, v.log())
}

// kubelet is an artifact that the test's script makes.
func (v *testedNode) kubelet(script string) nodeapi.Artifact {
	certificate := filepath.Join(filepath.Dir(v.launch.StateDir), "client.pem")
	return kubelettest.Artifact(v.T, nodeapi.ArtifactKubelet, "#!/bin/sh\n"+strings.ReplaceAll(script, "CERTIFICATE", certificate))
}

func TestKubeletIsUpgradedInPlace(t *testing.T) {
	v := start(t)
	if v.last.Status.Kubelet != v.launch.Artifacts[0].SHA256 {
		t.Errorf("the status is %+v", v.last.Status)
	}
	for _, version := range []string{"v1.37.3", "v1.37.1"} {
		next := v.kubelet(kubeletOf(version))
		if diff := cmp.Diff(nodeapi.NodeStatus{Kubelet: next.SHA256}, v.request(next)); diff != "" {
			t.Errorf("status (-want +got):\n%s", diff)
		}
		v.awaitLog("this is "+version, 1)
	}
	v.awaitLog("this is v1.37.2", 1)
	v.awaitLog("ending", 2)
	if v.last.Message != "" {
		t.Errorf("the node is not well: %s", v.last.Message)
	}
}

func TestKubeletUpgradeThatFails(t *testing.T) {
	tests := map[string]struct {
		kubelet func(*testedNode) nodeapi.Artifact
		want    []string
		// rolledBack: it was started, so the one before was started twice.
		rolledBack, passing bool
	}{
		"the kubelet is of another minor release": {
			kubelet: func(v *testedNode) nodeapi.Artifact { return v.kubelet(kubeletOf("v1.38.0")) },
			want:    []string{"v1.38.0", "v1.37.2"},
		},
		"the kubelet does not print its version": {
			kubelet: func(v *testedNode) nodeapi.Artifact { return v.kubelet("echo hello") },
			want:    []string{"--version", "hello"},
		},
		"the artifact is not a program": {
			kubelet: func(v *testedNode) nodeapi.Artifact {
				return kubelettest.Artifact(v.T, nodeapi.ArtifactKubelet, "\x7fELF\x02\x01\x01")
			},
			want: []string{"--version", "exec format error"},
		},
		"the artifact has another digest": {
			kubelet: func(v *testedNode) nodeapi.Artifact {
				a := v.kubelet(kubeletOf("v1.37.3"))
				a.SHA256 = kubelettest.Digest("x")
				return a
			},
			want: []string{kubelettest.Digest("x")},
		},
		"the artifact does not exist": {
			kubelet: func(*testedNode) nodeapi.Artifact {
				return nodeapi.Artifact{Name: nodeapi.ArtifactKubelet, Type: nodeapi.ArtifactTypeBinary, URI: "file:///no/such/kubelet", SHA256: kubelettest.Digest("x")}
			},
			want:    []string{"/no/such/kubelet"},
			passing: true,
		},
		"the kubelet ends at once": {
			kubelet: func(v *testedNode) nodeapi.Artifact {
				v.cluster.Stale.Store(true)
				return v.kubelet(strings.Replace(kubeletOf("v1.37.3"), "trap", "echo unknown flag; exit 1; trap", 1))
			},
			want:       []string{"v1.37.3", "rolled back to v1.37.2", "exit status 1", "unknown flag"},
			rolledBack: true,
		},
		"the kubelet does not make its Node Ready": {
			kubelet: func(v *testedNode) nodeapi.Artifact {
				v.cluster.Stale.Store(true)
				v.node.trialTime = 500 * time.Millisecond
				return v.kubelet(kubeletOf("v1.37.3"))
			},
			want:       []string{"v1.37.3", "rolled back to v1.37.2", "said nothing of the Node since it was started"},
			rolledBack: true,
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			v := start(t)
			next := tc.kubelet(v)
			status := v.request(next)
			for _, want := range tc.want {
				if !strings.Contains(status.Upgrade.Message, want) {
					t.Errorf("%q does not say %q", status.Upgrade.Message, want)
				}
			}
			if status.Kubelet != v.launch.Artifacts[0].SHA256 || status.Upgrade.SHA256 != next.SHA256 || status.Upgrade.Refused == tc.passing {
				t.Errorf("the status is %+v", status)
			}
			starts := 1
			if tc.rolledBack {
				starts = 2
			}
			v.awaitLog("this is v1.37.2", starts)
			// A repeated request that was refused changes nothing.
			message, _ := (&nodeapi.UpgradeRequest{Kubelet: next}).Encode()
			for range 20 {
				v.node.RequestUpgrade(message)
				time.Sleep(time.Millisecond)
			}
			v.awaitLog("this is v1.37.2", starts)
			// And another one can still take its place.
			v.cluster.Stale.Store(false)
			v.node.trialTime = 5 * time.Second
			if other := v.kubelet(kubeletOf("v1.37.4")); v.request(other).Kubelet != other.SHA256 {
				t.Errorf("the next one is not taken: %+v", v.last.Status)
			}
		})
	}
}

// An unreachable API server is no fault of the kubelet, so its trial time does not run.
func TestKubeletIsUpgradedWhileTheAPIServerIsAway(t *testing.T) {
	for name, how := range map[string]int32{"the API server closes connections": apiservertest.CutOff, "the API server is overloaded": http.StatusServiceUnavailable} {
		t.Run(name, func(t *testing.T) {
			v := start(t)
			v.node.trialTime, v.node.reportEvery = 300*time.Millisecond, 0
			v.cluster.Outage.Store(how)
			next := v.kubelet(kubeletOf("v1.37.3"))
			status := v.request(next)
			for status.Upgrade.Message == "" || !strings.Contains(status.Upgrade.Message, "asking the API server") {
				status = v.await("it to say so", func(r Report) bool { return r.Status.Upgrade != status.Upgrade })
			}
			if status.Upgrade.Refused || !strings.Contains(status.Upgrade.Message, "v1.37.3") {
				t.Errorf("the status is %+v", status)
			}
			time.Sleep(600 * time.Millisecond)
			v.cluster.Outage.Store(0)
			v.await("an end", func(r Report) bool { return r.Status.Kubelet == next.SHA256 || r.Status.Upgrade.Refused })
			if diff := cmp.Diff(nodeapi.NodeStatus{Kubelet: next.SHA256}, v.last.Status); diff != "" {
				t.Errorf("status (-want +got):\n%s", diff)
			}
			v.awaitLog("this is v1.37.2", 1)
		})
	}
}

// It is not for ever, for it may be the kubelet that keeps the agent from its network. But
// the kubelet does not end, and the request may be repeated.
func TestKubeletIsRolledBackWhenTheAPIServerStaysAway(t *testing.T) {
	v := start(t)
	v.node.trialTime, v.node.trialLimit = 300*time.Millisecond, time.Second
	v.cluster.Outage.Store(apiservertest.CutOff)
	next := v.kubelet(kubeletOf("v1.37.3"))
	status := v.request(next)
	if status.Kubelet != v.launch.Artifacts[0].SHA256 || status.Upgrade.Refused ||
		!strings.Contains(status.Upgrade.Message, "rolled back to v1.37.2") || !strings.Contains(status.Upgrade.Message, "the API server was away") {
		t.Errorf("the status is %+v", status)
	}
	v.awaitLog("this is v1.37.2", 2)
	v.cluster.Outage.Store(0)
	v.last = Report{}
	if v.request(next).Kubelet != next.SHA256 {
		t.Errorf("it is not taken afterwards: %+v", v.last.Status)
	}
}

func TestUpgradeRequestOfALaterReleaseIsRefused(t *testing.T) {
	v := start(t)
	message := fmt.Sprintf(`{"version": 2, "kubelet": {"sha256": %q}}`, kubelettest.Digest("x"))
	if u := v.requestMessage(kubelettest.Digest("x"), []byte(message)).Upgrade; !u.Refused || !strings.Contains(u.Message, "version is 2") {
		t.Errorf("the answer is %+v", u)
	}
	for _, nonsense := range []string{"", "{", `{"version": 1}`, "\x00"} {
		v.node.RequestUpgrade([]byte(nonsense))
	}
	v.awaitLog("this is v1.37.2", 1)
}

func TestNodeEndsWhileItsKubeletIsUpgraded(t *testing.T) {
	v := start(t)
	v.cluster.Stale.Store(true) // so that it waits for the new one
	message, err := (&nodeapi.UpgradeRequest{Kubelet: v.kubelet(kubeletOf("v1.37.3"))}).Encode()
	if err != nil {
		t.Fatal(err)
	}
	for range 500 {
		v.node.RequestUpgrade(message)
		time.Sleep(10 * time.Millisecond)
		if strings.Contains(v.log(), "this is v1.37.3") {
			return // start ends the node, and checks for leftovers
		}
	}
	t.Error("the upgrade did not begin")
}
