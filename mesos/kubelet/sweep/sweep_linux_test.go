package sweep

import (
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/go-logr/logr"
	"golang.org/x/sys/unix"

	"github.com/k8sm/k8sm/mesos/kubelet/cgroup"
	"github.com/k8sm/k8sm/mesos/kubelet/cgroup/cgrouptest"
	"github.com/k8sm/k8sm/mesos/kubelet/filelock"
	"github.com/k8sm/k8sm/mesos/kubelet/kubelettest"
	"github.com/k8sm/k8sm/mesos/kubelet/layout"
)

func TestSweepRemovesDeadNodesOnly(t *testing.T) {
	state := t.TempDir()
	write := func(path string) {
		t.Helper()
		path = filepath.Join(state, path)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte("{}"), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	write("dead/" + layout.RecordFile)
	write("dead/kubelet/pods/x/volumes/data")
	write("halfway/" + layout.RecordFile) // killed before it made its lock
	write("live/" + layout.RecordFile)
	write("stranger/important")
	write("cache/sha256/abc")
	write("file")
	live, err := filelock.Try(filepath.Join(state, "live", layout.LockFile))
	if err != nil {
		t.Fatal(err)
	}
	defer live.Remove()

	swept, err := Sweep(t.Context(), state, logr.Discard())
	if swept != 2 || err != nil {
		t.Errorf("swept %d, error %v", swept, err)
	}
	for path, there := range map[string]bool{"dead": false, "halfway": false, "live": true, "stranger/important": true, "cache/sha256/abc": true, "file": true} {
		if _, err := os.Stat(filepath.Join(state, path)); (err == nil) != there {
			t.Errorf("%s: is there: %t", path, err == nil)
		}
	}
	if swept, err := Sweep(t.Context(), filepath.Join(state, "no such"), logr.Discard()); swept != 0 || err != nil {
		t.Errorf("no state folder: %d, %v", swept, err)
	}
}

func TestRecordOfForeignCgroupsIsRefused(t *testing.T) {
	tests := map[string]string{
		"another cgroup":  `{"containerID": "c1", "cgroups": ["/sys/fs/cgroup/memory/system.slice"]}`,
		"no container":    `{"cgroups": ["/sys/fs/cgroup/memory"]}`,
		"a path with ..":  `{"containerID": "c1", "made": ["/sys/fs/cgroup/x/../c1"]}`,
		"a relative path": `{"containerID": "c1", "made": ["mesos/c1"]}`,
		"logs of others":  `{"podLogs": "/var/log"}`,
	}
	for name, text := range tests {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, layout.RecordFile), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := sweepNode(t.Context(), dir); err == nil {
				t.Error("no error")
			}
		})
	}
}

// As long as something can't be removed, the next sweep must be able to try again.
func TestSweepThatFailsKeepsTheRecord(t *testing.T) {
	if !kubelettest.Isolated(t) {
		return
	}
	state := t.TempDir()
	node := filepath.Join(state, "n1")
	busy := filepath.Join(node, "kubelet", "data")
	kubelettest.Must(t, os.MkdirAll(node, 0o755), (&Record{NodeName: "n1"}).Write(node),
		os.MkdirAll(filepath.Dir(busy), 0o755), os.WriteFile(busy, nil, 0o600), immutable(busy, true))
	defer func() { _ = immutable(busy, false) }()
	if done, err := sweepNode(t.Context(), node); done || err == nil {
		t.Fatalf("swept: %t, %v", done, err)
	}
	kubelettest.Must(t, immutable(busy, false))
	if done, err := sweepNode(t.Context(), node); !done || err != nil {
		t.Errorf("swept: %t, %v", done, err)
	}
}

func immutable(path string, on bool) error {
	f, err := os.OpenFile(path, os.O_RDONLY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	flags, err := unix.IoctlGetInt(int(f.Fd()), unix.FS_IOC_GETFLAGS)
	if err != nil {
		return err
	}
	const immutableFlag = 0x10
	flags &^= immutableFlag
	if on {
		flags |= immutableFlag
	}
	return unix.IoctlSetPointerInt(int(f.Fd()), unix.FS_IOC_SETFLAGS, flags)
}

// What a dead node's container left is killed and removed by the next executor, and
// nothing of a living one.
func TestSweepOfADeadContainer(t *testing.T) {
	if !kubelettest.Isolated(t) {
		return
	}
	id, remove := cgrouptest.MesosContainer(t, "cpu", "memory")
	c, err := cgroup.Find(id)
	kubelettest.Must(t, err, c.Enter())
	pods := cgrouptest.PodCgroups(t, c)
	orphan := exec.Command("/bin/sleep", "60")
	kubelettest.Must(t, orphan.Start())
	for _, dir := range pods {
		kubelettest.Must(t, cgroup.Move(dir, orphan.Process.Pid))
	}
	// This process leaves; the orphan stays behind.
	kubelettest.Must(t, c.Leave())
	state := t.TempDir()
	node := filepath.Join(state, "n1")
	r := &Record{NodeName: "n1", ContainerID: id, Cgroups: c.Dirs(), Made: c.Made}
	kubelettest.Must(t, os.MkdirAll(node, 0o755), r.Write(node))

	done, err := sweepNode(t.Context(), node)
	if !done || err != nil {
		t.Errorf("swept: %t, %v", done, err)
	}
	if err := orphan.Wait(); err == nil {
		t.Error("the orphan lives")
	}
	for _, dir := range c.Made {
		if _, err := os.Stat(dir); !os.IsNotExist(err) {
			t.Errorf("%s is left", dir)
		}
	}
	kubelettest.Must(t, remove())
}

// kube-proxy's rules belong to all nodes of the agent, and to nobody when the last is gone.
func TestLastNodeOfAnAgentRemovesTheRulesOfKubeProxy(t *testing.T) {
	if !kubelettest.Isolated(t, unix.CLONE_NEWPID) {
		return
	}
	// Kubelets of other tests must not be seen.
	kubelettest.Must(t, unix.Mount("proc", "/proc", "proc", 0, ""))
	if err := exec.Command("iptables", "-t", "nat", "-N", "KUBE-NODEPORTS").Run(); err != nil {
		t.Skipf("needs iptables: %v", err)
	}
	there := func() bool { return exec.Command("iptables", "-t", "nat", "-S", "KUBE-NODEPORTS").Run() == nil }
	state := t.TempDir()
	for _, name := range []string{"n1", "n2"} {
		dir := filepath.Join(state, name)
		kubelettest.Must(t, os.Mkdir(dir, 0o700), (&Record{NodeName: name, ContainerID: "c-" + name}).Write(dir))
	}
	live, err := filelock.Try(filepath.Join(state, "n2", layout.LockFile))
	kubelettest.Must(t, err)
	if swept, err := Sweep(t.Context(), state, logr.Discard()); swept != 1 || err != nil || !there() {
		t.Errorf("swept %d, %v; the rules that the other node uses are there: %t", swept, err, there())
	}
	kubelettest.Must(t, live.Close())
	// Somebody else's kube-proxy.
	foreign, err := net.Listen("tcp", "127.0.0.1:10256")
	if err != nil {
		kubelettest.Must(t, exec.Command("ip", "link", "set", "lo", "up").Run())
		foreign, err = net.Listen("tcp", "127.0.0.1:10256")
	}
	kubelettest.Must(t, err)
	if swept, err := Sweep(t.Context(), state, logr.Discard()); swept != 1 || err != nil || !there() {
		t.Errorf("swept %d, %v; the rules of another Kubernetes are there: %t", swept, err, there())
	}
	kubelettest.Must(t, foreign.Close())
	dir := filepath.Join(state, "n3")
	kubelettest.Must(t, os.Mkdir(dir, 0o700), (&Record{NodeName: "n3", ContainerID: "c-n3"}).Write(dir))
	if swept, err := Sweep(t.Context(), state, logr.Discard()); swept != 1 || err != nil || there() {
		t.Errorf("swept %d, %v; the rules are there: %t", swept, err, there())
	}
}
