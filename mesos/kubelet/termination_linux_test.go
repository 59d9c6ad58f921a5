package kubelet

import (
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/k8sm/k8sm/mesos/kubelet/apiserver"
	"github.com/k8sm/k8sm/mesos/kubelet/apiserver/apiservertest"
	"github.com/k8sm/k8sm/mesos/kubelet/cgroup"
	"github.com/k8sm/k8sm/mesos/kubelet/cgroup/cgrouptest"
	"github.com/k8sm/k8sm/mesos/kubelet/kubelettest"
	"github.com/k8sm/k8sm/mesos/kubelet/noderuntime"
	"github.com/k8sm/k8sm/mesos/kubelet/supervisor"
	"github.com/k8sm/k8sm/mesos/kubelet/termination"
)

// Those that others depend on go last; those that don't go in time are killed.
func TestPodsEndInOrder(t *testing.T) {
	if !kubelettest.Isolated(t) {
		return
	}
	kubelettest.Must(t, supervisor.RunOnce(t.Context(), 10*time.Second, nil, "ip", "link", "set", "lo", "up"))
	id, remove := cgrouptest.MesosContainer(t, "cpu", "memory")
	defer func() { kubelettest.Must(t, remove()) }()
	c, err := cgroup.Find(id)
	kubelettest.Must(t, err, c.Enter())
	defer func() { kubelettest.Must(t, c.Leave(), cgroup.Remove(c.Dirs(), c.Made)) }()
	defer func() { kubelettest.Must(t, cgroup.KillAll(c.Dirs(), cgroup.Ancestors())) }()

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
	n.runtime = containersOf{cgroup: c}
	for pod, text := range map[string]string{
		web:      "trap 'echo web >> ends; exit 0' TERM",
		stubborn: "trap '' TERM",
		network:  "trap 'kill -0 $(cat " + filepath.Join(dir, stubborn) + ") 2>/dev/null && echo too early >> ends; echo network >> ends; exit 0' TERM",
	} {
		cmd := exec.Command("/bin/sh", "-c", text+"; touch "+pod+".up; while :; do sleep 0.01; done")
		cmd.Dir = dir
		kubelettest.Must(t, cmd.Start())
		go func() { _ = cmd.Wait() }()
		kubelettest.Must(t, os.WriteFile(filepath.Join(dir, pod), []byte(strconv.Itoa(cmd.Process.Pid)), 0o600))
		for _, h := range c.Hierarchies {
			group := filepath.Join(h.Dir(c.Path), "kubepods", "pod"+pod)
			kubelettest.Must(t, os.MkdirAll(group, 0o755))
			if h.Has("cpuset") {
				kubelettest.Must(t, cgroup.InheritCPUSet(h, strings.TrimPrefix(group, h.Mount)))
			}
			kubelettest.Must(t, cgroup.Move(group, cmd.Process.Pid))
		}
		kubelettest.AwaitFile(t, filepath.Join(dir, pod+".up"))
	}
	n.Stop(3 * time.Second)
	n.terminateContainers()
	ends, _ := os.ReadFile(filepath.Join(dir, "ends"))
	if diff := cmp.Diff("web\nnetwork\n", string(ends)); diff != "" {
		t.Errorf("ends (-want +got):\n%s", diff)
	}
	if left := n.runtime.Containers(); len(left) > 0 {
		t.Errorf("still there: %v", left)
	}
}

// nodeOf a cluster, that has its certificate.
func nodeOf(t *testing.T, url string, ca []byte) *Node {
	t.Helper()
	l := launchIn(t, apiservertest.New(t, time.Now, 0), goodKubelet)
	certificate, err := os.ReadFile(filepath.Join(filepath.Dir(l.StateDir), "client.pem"))
	kubelettest.Must(t, err)
	n := testNode(t)
	n.spec, n.layout = l, layoutOf(l)
	n.apiserver = apiserver.Client{URL: url, CA: ca, NodeName: l.NodeName, Certificate: n.layout.ClientCertificate()}
	kubelettest.Must(t, os.MkdirAll(n.layout.PKI(), 0o700), os.WriteFile(n.layout.ClientCertificate(), certificate, 0o600))
	return n
}

// containersOf is a runtime whose containers are those in a cgroup.
type containersOf struct {
	noderuntime.Fake
	cgroup *cgroup.Container
}

func (c containersOf) Containers() []termination.Container {
	var found []termination.Container
	for _, pid := range cgroup.InitProcesses(c.cgroup.Dirs()) {
		found = append(found, termination.Container{PID: pid, PodUID: termination.PodUIDOf(pid)})
	}
	return found
}
