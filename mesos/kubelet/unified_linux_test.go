package kubelet

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
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
	must(t, move(h.dir(h.path), os.Getpid()), removeCgroups([]string{dir}, []string{dir}))
}
