package kubelet

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-logr/logr"

	"github.com/k8sm/k8sm/mesos/nodeapi"
)

// cluster is an API server that knows one node, for clients with a certificate.
type cluster struct {
	*httptest.Server
	ca, client []byte // PEM
	asked      atomic.Int32
	readyAfter int32
	// mute: the kubelet has said nothing for long.
	mute atomic.Bool
	// away is the status that it answers everything with, or cutsOff.
	away atomic.Int32
}

// cutsOff is no status: connections end without an answer.
const cutsOff = -1

func newCluster(t *testing.T, readyAfter int32) *cluster {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "system:node:n1"},
		NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	c := &cluster{readyAfter: readyAfter}
	c.client = append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: keyDER})...)
	clients := x509.NewCertPool()
	clients.AppendCertsFromPEM(c.client)
	c.Server = httptest.NewUnstartedServer(http.HandlerFunc(c.serve))
	c.Server.TLS = &tls.Config{ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: clients}
	c.StartTLS()
	t.Cleanup(c.Close)
	c.ca = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Certificate().Raw})
	return c
}

func (c *cluster) serve(w http.ResponseWriter, r *http.Request) {
	switch status := c.away.Load(); {
	case status == cutsOff:
		panic(http.ErrAbortHandler)
	case status > 0:
		w.WriteHeader(int(status))
		return
	}
	if r.URL.Path != "/api/v1/nodes/n1" {
		http.NotFound(w, r)
		return
	}
	status, message := "False", "no network"
	if c.asked.Add(1) > c.readyAfter {
		status, message = "True", "fine"
	}
	said := time.Now()
	if c.mute.Load() {
		said = said.Add(-time.Hour)
	}
	fmt.Fprintf(w, `{"kind":"Node","status":{"conditions":[{"type":"MemoryPressure","status":"False"},{"type":"Ready","status":%q,"message":%q,"lastHeartbeatTime":%q}]}}`,
		status, message, said.UTC().Format(time.RFC3339))
}

// launchIn is a message for a node without containers, whose kubelet is a script.
func launchIn(t *testing.T, c *cluster, kubelet string) *nodeapi.LaunchSpec {
	t.Helper()
	dir := t.TempDir()
	program := filepath.Join(dir, "program")
	text := "#!/bin/sh\n" + kubelet
	certificate := filepath.Join(dir, "client.pem")
	text = strings.ReplaceAll(text, "CERTIFICATE", certificate)
	if err := errors.Join(os.WriteFile(program, []byte(text), 0o755), os.WriteFile(certificate, c.client, 0o600)); err != nil {
		t.Fatal(err)
	}
	l := testLaunch()
	l.NodeName, l.ContainerRuntime, l.StateDir = "n1", nodeapi.RuntimeNone, filepath.Join(dir, "state")
	l.APIServer, l.CAData = c.URL, c.ca
	l.Artifacts = []nodeapi.Artifact{{Name: "kubelet", Type: nodeapi.ArtifactTypeBinary, URI: "file://" + program, SHA256: digest(text)}}
	return l
}

// fileArtifact is a binary that is fetched from a file of this machine.
func fileArtifact(t *testing.T, name, content string) nodeapi.Artifact {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(file, []byte(content), 0o755); err != nil {
		t.Fatal(err)
	}
	return nodeapi.Artifact{Name: name, Type: nodeapi.ArtifactTypeBinary, URI: "file://" + file, SHA256: digest(content)}
}

func testNode(t *testing.T) *Node {
	n := NewNode(Options{Sandbox: t.TempDir(), Environ: os.Environ(), Now: time.Now, Log: logr.Discard()})
	n.readyEvery = 5 * time.Millisecond
	n.patience = shortPatience
	return n
}

func neverReady(t *testing.T) func(Report) {
	return func(r Report) {
		if r.Ready {
			t.Error("it is ready")
		}
	}
}

// goodKubelet gets its certificate and runs until it is told to end.
const goodKubelet = `for a in "$@"; do case $a in --cert-dir=*) cp CERTIFICATE "${a#--cert-dir=}/kubelet-client-current.pem";; esac; done
echo "starting with $*"
trap 'echo ending; exit 0' TERM
while :; do sleep 0.01; done
`

func TestNodeFromLaunchToNothingLeft(t *testing.T) {
	c := newCluster(t, 2)
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
	if n := c.asked.Load(); n != 3 {
		t.Errorf("ready after %d questions", n)
	}
	p := layoutOf(l)
	if _, err := os.Stat(p.bootstrap()); !os.IsNotExist(err) {
		t.Error("the bootstrap token is kept although it is used up")
	}
	if swept, err := Sweep(l.StateDir, logr.Discard()); swept != 0 || err != nil {
		t.Errorf("a live node was swept: %d, %v", swept, err)
	}

	n.Stop(time.Second)
	n.Stop(time.Second)
	if err := <-ended; err != nil {
		t.Errorf("ended with %v", err)
	}
	if _, err := os.Stat(p.dir); !os.IsNotExist(err) {
		t.Error("the node's folder is still there")
	}
	asked := c.asked.Load()
	log, _ := os.ReadFile(filepath.Join(n.Sandbox, "kubelet.log"))
	if !strings.Contains(string(log), "--hostname-override=n1") || !strings.Contains(string(log), "ending") {
		t.Errorf("kubelet's log is %q", log)
	}
	time.Sleep(20 * time.Millisecond)
	if c.asked.Load() != asked {
		t.Error("it still asks for the node")
	}
}

func TestNodeThatCannotBe(t *testing.T) {
	c := newCluster(t, 0)
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
			change:  func(l *nodeapi.LaunchSpec) { l.Artifacts[0].SHA256 = digest("x") },
			want:    []string{`artifact "kubelet"`, digest("x")},
			invalid: true,
		},
		"its kubelet is for another machine": {
			change: func(l *nodeapi.LaunchSpec) {
				l.Artifacts[0] = fileArtifact(t, nodeapi.ArtifactKubelet, "\x7fELF\x02\x01\x01")
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
			if _, err := os.Stat(layoutOf(l).dir); !os.IsNotExist(err) {
				t.Error("the node's folder is still there")
			}
		})
	}
}

func TestNodeThatIsStoppedBeforeItBegins(t *testing.T) {
	l, n := launchIn(t, newCluster(t, 0), goodKubelet), testNode(t)
	message, _ := l.Encode()
	n.Stop(-1)
	if err := n.Run(message, func(Report) {}); err != nil {
		t.Errorf("ended with %v", err)
	}
}

func TestNodeThatAnotherExecutorRuns(t *testing.T) {
	l := launchIn(t, newCluster(t, 0), goodKubelet)
	dir := layoutOf(l).dir
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	other, err := tryLock(filepath.Join(dir, lockFile))
	if err != nil {
		t.Fatal(err)
	}
	defer other.release()
	message, _ := l.Encode()
	if err := testNode(t).Run(message, func(Report) {}); !errors.Is(err, errLocked) {
		t.Errorf("ended with %v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, lockFile)); err != nil {
		t.Error("the other's folder was touched")
	}
}

func TestSweepTakesDeadNodesOnly(t *testing.T) {
	state := t.TempDir()
	write := func(path string) {
		t.Helper()
		path = filepath.Join(state, path)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte("{}"), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	write("dead/" + recordFile)
	write("dead/kubelet/pods/x/volumes/data")
	write("halfway/" + recordFile) // killed before it made its lock
	write("live/" + recordFile)
	write("stranger/important")
	write("cache/sha256/abc")
	write("file")
	live, err := tryLock(filepath.Join(state, "live", lockFile))
	if err != nil {
		t.Fatal(err)
	}
	defer live.release()

	swept, err := Sweep(state, logr.Discard())
	if swept != 2 || err != nil {
		t.Errorf("swept %d, error %v", swept, err)
	}
	for path, there := range map[string]bool{"dead": false, "halfway": false, "live": true, "stranger/important": true, "cache/sha256/abc": true, "file": true} {
		if _, err := os.Stat(filepath.Join(state, path)); (err == nil) != there {
			t.Errorf("%s: is there: %t", path, err == nil)
		}
	}
	if swept, err := Sweep(filepath.Join(state, "no such"), logr.Discard()); swept != 0 || err != nil {
		t.Errorf("no state folder: %d, %v", swept, err)
	}
}

func TestRecordThatLeadsAstrayIsRefused(t *testing.T) {
	tests := map[string]string{
		"another cgroup":       `{"containerID": "c1", "cgroups": ["/sys/fs/cgroup/memory/system.slice"]}`,
		"no container":         `{"cgroups": ["/sys/fs/cgroup/memory"]}`,
		"a path that climbs":   `{"containerID": "c1", "made": ["/sys/fs/cgroup/x/../c1"]}`,
		"a path without roots": `{"containerID": "c1", "made": ["mesos/c1"]}`,
	}
	for name, text := range tests {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, recordFile), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := sweepNode(dir); err == nil {
				t.Error("no error")
			}
		})
	}
}

func TestCountList(t *testing.T) {
	for list, want := range map[string]int{"0": 1, "0-3": 4, "0-3,8,10-11": 7, "": 0, "x": 0, "3-1": 0} {
		if got, err := countList(list); got != want || (err == nil) != (want > 0) {
			t.Errorf("%q counts %d, error %v", list, got, err)
		}
	}
}

func TestContainersDoNotShareACgroupWithStrangers(t *testing.T) {
	l := testLaunch()
	l.Address, l.StateDir = ours(t), filepath.Join(t.TempDir(), "state")
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
func TestAddressOfAnotherMachineIsAClearError(t *testing.T) {
	l := testLaunch()
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

// ours is an address of this machine that a node could have.
func ours(t *testing.T) string {
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
