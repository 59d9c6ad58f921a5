package mesostest

import (
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/k8sm/k8sm/mesos/mesostest/internal/cgroup"
)

func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
}

// cgroupsNamed finds all directories of that name in all hierarchies.
func cgroupsNamed(t *testing.T, name string) []string {
	t.Helper()
	var found []string
	_ = filepath.WalkDir("/sys/fs/cgroup", func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && d.Name() == name {
			found = append(found, path)
		}
		return nil
	})
	return found
}

func TestCgroups(t *testing.T) {
	needRoot(t)
	root := fmt.Sprintf("mesostest-%d", os.Getpid())
	m := startMaster(t, MasterOptions{})
	a := startAgent(t, m, AgentOptions{Launcher: ProcessLauncher{CgroupRoot: root}})
	s := subscribeScheduler(t, m, frameworkInfo("a"))
	o := s.offerOf(a)
	// A process that leaves the process group, in a cgroup of its own below.
	task := commandTask(o, "t", `
for d in $(find /sys/fs/cgroup -type d -name "$(basename "$MESOS_SANDBOX")"); do
  mkdir "$d/nested"
  setsid sh -c 'echo $$ > '"$d"'/nested/cgroup.procs; exec sleep 1000' &
done
cat /proc/self/cgroup
echo ready
sleep 1000`)
	s.launch(o, 0, task)
	running := s.wantStates("TASK_STARTING", "TASK_RUNNING")
	container := fieldAt(running, "container_status", "container_id", "value").(string)
	eventually(t, "the command is ready", func() bool {
		return strings.Contains(sandboxFile(t, a, "t", "stdout"), "ready")
	})
	groups := cgroupsNamed(t, container)
	if len(groups) == 0 {
		t.Fatal("no cgroup was made")
	}
	for _, limit := range []string{"memory.limit_in_bytes", "memory.max"} {
		for _, dir := range groups {
			if raw, err := os.ReadFile(filepath.Join(dir, limit)); err == nil && string(raw) != "33554432\n" {
				t.Errorf("%s is %s", limit, raw)
			}
		}
	}
	var pids []int
	for _, dir := range cgroup.Tree(groups[0]) {
		pids = append(pids, cgroup.PIDs(dir)...)
	}
	if len(pids) < 2 {
		t.Fatalf("found %v in %s", pids, groups[0])
	}
	s.kill("t")
	s.wantStates("TASK_KILLED")
	eventually(t, "the container is gone", func() bool { return a.Containers() == 0 })
	if left := cgroupsNamed(t, container); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
	if err := m.Close(); err != nil {
		t.Error(err)
	}
	if left := cgroupsNamed(t, root); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
	for _, pid := range pids {
		if raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid)); err == nil && !strings.Contains(string(raw), ") Z ") {
			t.Errorf("process %d lives: %s", pid, raw)
		}
	}
}

func TestNetworkNamespace(t *testing.T) {
	needRoot(t)
	holder := exec.Command("unshare", "-n", "sh", "-c", "ip link set lo up && echo up && exec sleep 1000")
	out, err := holder.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := holder.Start(); err != nil {
		t.Skip("cannot make a network namespace: ", err)
	}
	defer func() {
		_ = holder.Process.Kill()
		_ = holder.Wait()
	}()
	if _, err := out.Read(make([]byte, 3)); err != nil {
		t.Skip("cannot make a network namespace: ", err)
	}
	netNS := fmt.Sprintf("/proc/%d/ns/net", holder.Process.Pid)
	want, err := os.Readlink(netNS)
	if err != nil {
		t.Fatal(err)
	}
	own, _ := os.Readlink("/proc/self/ns/net")

	m := startMaster(t, MasterOptions{})
	a := startAgent(t, m, AgentOptions{NetNS: netNS})
	s := subscribeScheduler(t, m, frameworkInfo("a"))
	o := s.offerOf(a)
	s.launch(o, 0, commandTask(o, "t", "readlink /proc/self/ns/net; ls -d /sys/fs/cgroup"), selfTask(t, o, "e", "good"))
	for range 4 { // of both tasks, in any order
		s.update()
	}
	eventually(t, "the command is done", func() bool { return a.Containers() == 1 })
	if got := sandboxFile(t, a, "t", "stdout"); got != want+"\n/sys/fs/cgroup\n" {
		t.Errorf("the command ran in %s, want %s", got, want)
	}
	if conn, err := net.DialTimeout("tcp", a.Addr(), time.Second); err == nil {
		conn.Close()
		t.Error("the agent can be reached from outside of its namespace")
	}
	if now, _ := os.Readlink("/proc/thread-self/ns/net"); now != own {
		t.Errorf("this thread is in %s, was in %s", now, own)
	}
}

// A stopped process takes no signal but SIGKILL: it ends when its agent destroys the
// container, after the executor's grace.
func TestStoppedExecutorEndsWithItsContainer(t *testing.T) {
	m := startMaster(t, MasterOptions{})
	a := startAgent(t, m, AgentOptions{Launcher: ProcessLauncher{}})
	s := subscribeScheduler(t, m, frameworkInfo("a"))
	o := s.offerOf(a)
	task := executorTask(o, "e", "echo ready; kill -STOP $$")
	task["executor"].(object)["shutdown_grace_period"] = object{"nanoseconds": 100_000_000}
	s.launch(o, 0, task)
	eventually(t, "the executor is stopped", func() bool {
		// The sandbox is made some time after the launch.
		output, _ := filepath.Glob(filepath.Join(a.WorkDir(), "slaves", a.ID(), "frameworks", "*", "executors", "e", "runs", "latest", "stdout"))
		return len(output) == 1 && strings.Contains(sandboxFile(t, a, "e", "stdout"), "ready")
	})
	s.call("SHUTDOWN", object{"shutdown": object{"executor_id": value("e"), "agent_id": value(a.ID())}})
	s.wantStates("TASK_FAILED")
	eventually(t, "the container is gone", func() bool { return a.Containers() == 0 })
}
