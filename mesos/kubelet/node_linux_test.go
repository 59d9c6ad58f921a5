package kubelet

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"

	"github.com/k8sm/k8sm/mesos/kubelet/apiserver/apiservertest"
	"github.com/k8sm/k8sm/mesos/kubelet/filelock"
	"github.com/k8sm/k8sm/mesos/kubelet/kubelettest"
	"github.com/k8sm/k8sm/mesos/kubelet/layout"
	"github.com/k8sm/k8sm/mesos/kubelet/supervisor"
	"github.com/k8sm/k8sm/mesos/kubelet/sweep"
	"github.com/k8sm/k8sm/mesos/nodeapi"
)

// launchIn is a message for a node without containers, whose kubelet is a script.
func launchIn(t *testing.T, c *apiservertest.Server, kubelet string) *nodeapi.LaunchSpec {
	t.Helper()
	dir := t.TempDir()
	program := filepath.Join(dir, "program")
	text := "#!/bin/sh\n" + kubelet
	certificate := filepath.Join(dir, "client.pem")
	text = strings.ReplaceAll(text, "CERTIFICATE", certificate)
	if err := errors.Join(os.WriteFile(program, []byte(text), 0o755), os.WriteFile(certificate, c.Client, 0o600)); err != nil {
		t.Fatal(err)
	}
	l := kubelettest.LaunchSpec()
	l.NodeName, l.ContainerRuntime, l.StateDir = "n1", nodeapi.RuntimeNone, filepath.Join(dir, "state")
	l.APIServer, l.CAData = c.URL, c.CA
	l.Artifacts = []nodeapi.Artifact{{Name: "kubelet", Type: nodeapi.ArtifactTypeBinary, URI: "file://" + program, SHA256: kubelettest.Digest(text)}}
	return l
}

var shortPolicy = supervisor.RestartPolicy{Quick: 10 * time.Second, Tries: 3, ProvenTries: 6, Backoff: time.Millisecond, MaxBackoff: 4 * time.Millisecond}

func layoutOf(l *nodeapi.LaunchSpec) layout.Layout { return layout.Of(l.StateDir, l.NodeName) }

func testNode(t *testing.T) *Node {
	n := NewNode(Options{Sandbox: t.TempDir(), Environ: os.Environ(), Now: time.Now, Log: logr.Discard()})
	n.readyEvery = 5 * time.Millisecond
	n.restart = shortPolicy
	return n
}

func neverReady(t *testing.T) func(Report) {
	return func(r Report) {
		if r.Ready {
			t.Error("it is ready")
		}
	}
}

// goodKubelet gets its certificate and runs until it gets SIGTERM.
const goodKubelet = `for a in "$@"; do case $a in --cert-dir=*) cp CERTIFICATE "${a#--cert-dir=}/kubelet-client-current.pem";; esac; done
echo "starting with $*"
trap 'echo ending; exit 0' TERM
while :; do sleep 0.01; done
`

func TestNodeLifecycleLeavesNothing(t *testing.T) {
	c := apiservertest.New(t, time.Now, 2)
	l, n := launchIn(t, c, goodKubelet), testNode(t)
	message, err := l.Encode()
	if err != nil {
		t.Fatal(err)
	}
	ready, ended := make(chan bool, 1), make(chan error, 1)
	go func() { ended <- n.Run(message, func(r Report) { ready <- r.Ready }) }()
	select {
	case <-ready:
	case err := <-ended:
		t.Fatalf("ended before it was ready: %v", err)
	case <-time.After(20 * time.Second):
		t.Fatal("not ready after 20 s")
	}
	if n := c.Asked.Load(); n != 3 {
		t.Errorf("ready after %d questions", n)
	}
	p := layoutOf(l)
	if _, err := os.Stat(p.Bootstrap()); !os.IsNotExist(err) {
		t.Error("the bootstrap token is kept although it is used up")
	}
	if swept, err := sweep.Sweep(t.Context(), l.StateDir, logr.Discard()); swept != 0 || err != nil {
		t.Errorf("a live node was swept: %d, %v", swept, err)
	}

	n.Stop(time.Second)
	n.Stop(time.Second)
	if err := <-ended; err != nil {
		t.Errorf("ended with %v", err)
	}
	if _, err := os.Stat(p.Dir); !os.IsNotExist(err) {
		t.Error("the node's folder is still there")
	}
	asked := c.Asked.Load()
	log, _ := os.ReadFile(filepath.Join(n.Sandbox, "kubelet.log"))
	if !strings.Contains(string(log), "--hostname-override=n1") || !strings.Contains(string(log), "ending") {
		t.Errorf("kubelet's log is %q", log)
	}
	time.Sleep(20 * time.Millisecond)
	if c.Asked.Load() != asked {
		t.Error("it still asks for the node")
	}
}

func TestNodeThatCannotStart(t *testing.T) {
	c := apiservertest.New(t, time.Now, 0)
	tests := map[string]struct {
		kubelet string
		change  func(*nodeapi.LaunchSpec)
		want    []string
		invalid bool
	}{
		"its kubelet keeps ending": {
			kubelet: "echo no such flag: --foo; exit 1",
			want:    []string{"running kubelet", "exit status 1", "no such flag: --foo"},
		},
		"its kubelet is not among the artifacts": {
			change:  func(l *nodeapi.LaunchSpec) { l.Artifacts[0].Name = "runc" },
			want:    []string{"kubelet"},
			invalid: true,
		},
		"an artifact has another digest": {
			change:  func(l *nodeapi.LaunchSpec) { l.Artifacts[0].SHA256 = kubelettest.Digest("x") },
			want:    []string{`artifact "kubelet"`, kubelettest.Digest("x")},
			invalid: true,
		},
		"its kubelet is for another machine": {
			change: func(l *nodeapi.LaunchSpec) {
				l.Artifacts[0] = kubelettest.Artifact(t, nodeapi.ArtifactKubelet, "\x7fELF\x02\x01\x01")
			},
			want: []string{"running kubelet", "not a program for this machine"},
		},
		"an artifact is not there": {
			change: func(l *nodeapi.LaunchSpec) { l.Artifacts[0].URI = "file:///no/such/file" },
			want:   []string{`artifact "kubelet"`, "/no/such/file"},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			l := launchIn(t, c, tc.kubelet)
			if tc.change != nil {
				tc.change(l)
			}
			message, err := l.Encode()
			if err != nil {
				t.Fatal(err)
			}
			err = testNode(t).Run(message, neverReady(t))
			for _, want := range tc.want {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("error %v does not say %q", err, want)
				}
			}
			if errors.Is(err, nodeapi.ErrInvalid) != tc.invalid {
				t.Errorf("invalid is %t of %v", !tc.invalid, err)
			}
			if _, err := os.Stat(layoutOf(l).Dir); !os.IsNotExist(err) {
				t.Error("the node's folder is still there")
			}
		})
	}
}

func TestNodeStoppedBeforeItsStart(t *testing.T) {
	l, n := launchIn(t, apiservertest.New(t, time.Now, 0), goodKubelet), testNode(t)
	message, _ := l.Encode()
	n.Stop(-1)
	if err := n.Run(message, func(Report) {}); err != nil {
		t.Errorf("ended with %v", err)
	}
}

func TestNodeThatAnotherExecutorRuns(t *testing.T) {
	l := launchIn(t, apiservertest.New(t, time.Now, 0), goodKubelet)
	dir := layoutOf(l).Dir
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	other, err := filelock.Try(filepath.Join(dir, layout.LockFile))
	if err != nil {
		t.Fatal(err)
	}
	defer other.Remove()
	message, _ := l.Encode()
	if err := testNode(t).Run(message, func(Report) {}); !errors.Is(err, filelock.ErrLocked) {
		t.Errorf("ended with %v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, layout.LockFile)); err != nil {
		t.Error("the other's folder was touched")
	}
}

func TestNodeRefusesACgroupWithOtherProcesses(t *testing.T) {
	l := kubelettest.LaunchSpec()
	l.Address, l.StateDir = localAddress(t), filepath.Join(t.TempDir(), "state")
	message, err := l.Encode()
	if err != nil {
		t.Fatal(err)
	}
	err = testNode(t).Run(message, neverReady(t))
	if err == nil || !strings.Contains(err.Error(), "cgroup") || !strings.Contains(err.Error(), "--isolation=cgroups/cpu,cgroups/mem") {
		t.Errorf("error is %v", err)
	}
}

// A kubelet would go on without end, and never have its node registered.
func TestAddressOfAnotherMachineIsAnError(t *testing.T) {
	l := kubelettest.LaunchSpec()
	l.Address, l.StateDir = "203.0.113.1", filepath.Join(t.TempDir(), "state")
	message, err := l.Encode()
	if err != nil {
		t.Fatal(err)
	}
	err = testNode(t).Run(message, neverReady(t))
	if err == nil || errors.Is(err, nodeapi.ErrInvalid) {
		t.Fatalf("error is %v", err)
	}
	for _, want := range []string{l.Address, "network namespace", "--ip"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error %v does not say %q", err, want)
		}
	}
}

// localAddress is an address of this machine that a node could have.
func localAddress(t *testing.T) string {
	t.Helper()
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range addresses {
		if own, ok := a.(*net.IPNet); ok && own.IP.IsGlobalUnicast() {
			return own.IP.String()
		}
	}
	t.Skip("this machine has no address but loopback")
	return ""
}

// What a dead node left on the agent keeps no other from being launched there.
func TestRemainsThatCannotBeRemovedAreReportedAndPassedBy(t *testing.T) {
	c := apiservertest.New(t, time.Now, 0)
	l, n := launchIn(t, c, goodKubelet), testNode(t)
	dead := filepath.Join(l.StateDir, "dead")
	record := `{"containerID": "c1", "cgroups": ["/sys/fs/cgroup/memory/strangers"]}`
	kubelettest.Must(t, os.MkdirAll(dead, 0o755), os.WriteFile(filepath.Join(dead, layout.RecordFile), []byte(record), 0o600))
	message, err := l.Encode()
	kubelettest.Must(t, err)
	err = n.Run(message, func(r Report) {
		if !r.Ready {
			return
		}
		if !strings.Contains(r.Message, "an earlier node left something on this agent that can't be removed: sweeping "+dead) {
			t.Errorf("message is %q", r.Message)
		}
		n.Stop(0)
	})
	if err != nil {
		t.Errorf("ended with %v", err)
	}
}

func TestLongProblemsAreBounded(t *testing.T) {
	if got := bounded(strings.Repeat("ä", maxProblem)); len(got) > maxProblem+len("…") || !strings.HasSuffix(got, "ä…") {
		t.Errorf("%d bytes, ending in %q", len(got), got[len(got)-5:])
	}
	if got := bounded("short"); got != "short" {
		t.Errorf("got %q", got)
	}
}
