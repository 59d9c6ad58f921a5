package kubelet

import (
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// The first process of a container that has only just begun misses the first SIGTERM,
// and must be sent another; one that heard it must not, many take a second for
// impatience.
func TestEachContainerHearsOneSIGTERM(t *testing.T) {
	if !isRoot() {
		t.Skip("needs root, to make a PID namespace")
	}
	tests := map[string]string{
		"one that listens":      "trap 'echo heard >> heard' TERM; touch up; while :; do sleep 0.01; done",
		"one that listens late": "touch up; i=0; while [ $i -lt 30 ]; do sleep 0.01; i=$((i+1)); done; trap 'echo heard >> heard' TERM; while :; do sleep 0.01; done",
	}
	for name, text := range tests {
		t.Run(name, func(t *testing.T) {
			p := script(t, text)
			cmd := exec.Command(p.path)
			cmd.Dir = p.dir
			cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWPID, Pdeathsig: unix.SIGKILL}
			if err := cmd.Start(); err != nil {
				t.Skipf("needs PID namespaces: %v", err)
			}
			defer func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }()
			awaitFile(t, filepath.Join(p.dir, "up"))
			s := &shutdown{told: map[int]hearing{}}
			for range 2000 {
				s.ask(container{pid: cmd.Process.Pid})
				if _, err := os.Stat(filepath.Join(p.dir, "heard")); err == nil {
					break
				}
				time.Sleep(10 * time.Millisecond)
			}
			for range 20 {
				s.ask(container{pid: cmd.Process.Pid})
				time.Sleep(10 * time.Millisecond)
			}
			if heard, _ := os.ReadFile(filepath.Join(p.dir, "heard")); string(heard) != "heard\n" {
				t.Errorf("it heard %q", heard)
			}
		})
	}
}

func TestCriticalPodsAreKnown(t *testing.T) {
	got, err := parseCritical(strings.NewReader(`{"items": [
		{"metadata": {"uid": "web"}, "spec": {"priority": 0}},
		{"metadata": {"uid": "important"}, "spec": {"priority": 1000000000}},
		{"metadata": {"uid": "network"}, "spec": {"priority": 2000001000}},
		{"metadata": {"uid": "image", "annotations": {"kubernetes.io/config.hash": "static"}}, "spec": {"priority": 2000001000}},
		{"metadata": {"uid": "none"}, "spec": {}}]}`))
	if diff := cmp.Diff(map[string]bool{"network": true, "image": true, "static": true}, got); diff != "" || err != nil {
		t.Errorf("error %v, critical (-want +got):\n%s", err, diff)
	}
}

// Those that others depend on go last; those that don't go in time are killed.
func TestPodsEndInOrder(t *testing.T) {
	if !apart(t) {
		return
	}
	must(t, once(t.Context(), 10*time.Second, nil, "ip", "link", "set", "lo", "up"))
	id, remove := mesosContainer(t)
	defer func() { must(t, remove()) }()
	c, err := readCgroups(id)
	must(t, err, c.enter())
	defer func() { must(t, c.leave(), removeCgroups(c.dirs(), c.made)) }()
	defer func() { must(t, killAll(c.dirs(), family())) }()

	const web, stubborn, network = "11111111-1111-1111-1111-111111111111", "22222222-2222-2222-2222-222222222222", "33333333-3333-3333-3333-333333333333"
	dir := t.TempDir()
	api := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if got := r.URL.Query().Get("fieldSelector"); got != "spec.nodeName=n1" {
			t.Errorf("asked for %q", got)
		}
		_, _ = w.Write([]byte(`{"items": [{"metadata": {"uid": "` + network + `"}, "spec": {"priority": 2000001000}}]}`))
	}))
	defer api.Close()
	n := nodeOf(t, api.URL, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: api.Certificate().Raw}))
	n.ground = &ground{cgroups: c}
	for pod, text := range map[string]string{
		web:      "trap 'echo web >> ends; exit 0' TERM",
		stubborn: "trap '' TERM",
		network:  "trap 'kill -0 $(cat " + filepath.Join(dir, stubborn) + ") 2>/dev/null && echo too early >> ends; echo network >> ends; exit 0' TERM",
	} {
		cmd := exec.Command("/bin/sh", "-c", text+"; touch "+pod+".up; while :; do sleep 0.01; done")
		cmd.Dir = dir
		must(t, cmd.Start())
		go func() { _ = cmd.Wait() }()
		must(t, os.WriteFile(filepath.Join(dir, pod), []byte(strconv.Itoa(cmd.Process.Pid)), 0o600))
		for _, h := range c.hierarchies {
			group := filepath.Join(h.dir(c.path), "kubepods", "pod"+pod)
			must(t, os.MkdirAll(group, 0o755))
			if slices.Contains(strings.Split(h.name, ","), "cpuset") {
				must(t, inheritCPUSet(h, strings.TrimPrefix(group, h.mount)))
			}
			must(t, move(group, cmd.Process.Pid))
		}
		awaitFile(t, filepath.Join(dir, pod+".up"))
	}
	n.Stop(3 * time.Second)
	n.endContainers()
	ends, _ := os.ReadFile(filepath.Join(dir, "ends"))
	if diff := cmp.Diff("web\nnetwork\n", string(ends)); diff != "" {
		t.Errorf("ends (-want +got):\n%s", diff)
	}
	if left := n.ground.containers(); len(left) > 0 {
		t.Errorf("still there: %v", left)
	}
}

// nodeOf a cluster, that has its certificate.
func nodeOf(t *testing.T, url string, ca []byte) *Node {
	t.Helper()
	l := launchIn(t, newCluster(t, 0), goodKubelet)
	certificate, err := os.ReadFile(filepath.Join(filepath.Dir(l.StateDir), "client.pem"))
	must(t, err)
	l.APIServer, l.CAData = url, ca
	n := testNode(t)
	n.launch, n.layout = l, layoutOf(l)
	must(t, os.MkdirAll(n.layout.pki(), 0o700), os.WriteFile(n.layout.clientCert(), certificate, 0o600))
	return n
}
