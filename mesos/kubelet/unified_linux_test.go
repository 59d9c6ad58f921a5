package kubelet

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The rules of version 2 hold for its hierarchy on hosts with both versions too; only
// controllers are missing there.
func TestUnifiedContainerKeepsItsProcessesInALeaf(t *testing.T) {
	if !apart(t) {
		return
	}
	id, remove := mesosContainer(t, "cpu", "memory")
	defer func() { must(t, remove()) }()
	c, err := readCgroups(id)
	must(t, err)
	at := slices.IndexFunc(c.hierarchies, func(h hierarchy) bool { return h.name == "" })
	if at < 0 {
		t.Skip("needs a version 2 hierarchy")
	}
	h := c.hierarchies[at]
	c.hierarchies = []hierarchy{h}
	dir := h.dir(c.path)
	must(t, makeCgroup(dir), move(dir, os.Getpid()))
	beside := exec.Command("/bin/sleep", "60")
	must(t, beside.Start())
	defer func() { _ = beside.Process.Kill() }()
	must(t, move(dir, beside.Process.Pid))

	must(t, c.enter(), c.enter()) // and it does no harm twice
	if got := processes(dir); len(got) > 0 {
		t.Errorf("processes %v are in an inner cgroup", got)
	}
	inLeaf := processes(filepath.Join(dir, leaf))
	for _, pid := range []int{os.Getpid(), beside.Process.Pid} {
		if !slices.Contains(inLeaf, pid) {
			t.Errorf("process %d is not in the leaf: %v", pid, inLeaf)
		}
	}
	available, _ := os.ReadFile(filepath.Join(dir, "cgroup.controllers"))
	enabled, _ := os.ReadFile(filepath.Join(dir, "cgroup.subtree_control"))
	if strings.TrimSpace(string(available)) != strings.TrimSpace(string(enabled)) {
		t.Errorf("pods get %q of %q", enabled, available)
	}
	if got := containerInits(c.dirs()); len(got) > 0 {
		t.Errorf("processes of the leaf taken for containers: %v", got)
	}

	must(t, killAll(c.dirs(), family()))
	if err := beside.Wait(); err == nil {
		t.Error("what was beside this process lives")
	}
	must(t, c.leave(), removeCgroups(c.dirs(), c.made))
}

// An agent destroys a container whose memory.events count an oom: a pod's must not.
func TestPodThatIsKilledForItsMemoryDoesNotCountAsItsNode(t *testing.T) {
	if !apart(t) {
		return
	}
	id, remove := mesosContainer(t)
	defer func() { must(t, remove()) }()
	c, err := readCgroups(id)
	must(t, err, c.enter())
	defer func() { must(t, killAll(c.dirs(), family()), c.leave(), removeCgroups(c.dirs(), c.made)) }()
	h := c.hierarchies[0]
	limit := h.dir(c.path + "/memory.max")
	if _, err := os.Stat(limit); h.name != "" || err != nil {
		t.Skip("needs a version 2 hierarchy that has memory")
	}
	must(t, os.WriteFile(limit, []byte("134217728"), 0)) // as Mesos does
	options, err := superOptions(h.mount)
	must(t, err)
	options = slices.DeleteFunc(options, func(o string) bool { return o == localEvents })
	must(t, reconfigure(h.mount, options))
	defer func() { must(t, reconfigure(h.mount, append(options, localEvents))) }()

	must(t, c.keepMemoryEvents(), c.keepMemoryEvents()) // and it does no harm twice
	pods := podCgroups(t, c)
	must(t, enable(filepath.Dir(pods[0]), "memory"), os.WriteFile(filepath.Join(pods[0], "memory.max"), []byte("33554432"), 0))
	runHog(t, pods)
	for dir, want := range map[string]bool{pods[0]: true, h.dir(c.path): false} {
		if events := content(filepath.Join(dir, "memory.events")); strings.Contains(events, "oom 0\n") == want {
			t.Errorf("an oom in %s is counted: want %t in\n%s", dir, want, events)
		}
	}
	after, err := superOptions(h.mount)
	must(t, err)
	if diff := cmp.Diff(append(options, localEvents), after); diff != "" {
		t.Errorf("options of the hierarchy (-want +got):\n%s", diff)
	}
}
