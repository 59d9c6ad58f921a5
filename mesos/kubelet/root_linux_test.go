package kubelet

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/k8sm/k8sm/mesos/nodeapi"
)

// apart runs the calling test again as a process with its own mount and network
// namespaces, and others if there are flags for them, as root, and says whether this is
// that process.
func apart(t *testing.T, others ...uintptr) bool {
	t.Helper()
	const variable = "K8SM_TEST_APART"
	if os.Getenv(variable) == t.Name() {
		return true
	}
	if !isRoot() {
		t.Skip("needs root, to make namespaces")
	}
	cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v", "-test.timeout=60s")
	cmd.Env = append(os.Environ(), variable+"="+t.Name())
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: unix.CLONE_NEWNS | unix.CLONE_NEWNET}
	for _, flag := range others {
		cmd.SysProcAttr.Cloneflags |= flag
	}
	out, err := cmd.CombinedOutput()
	if errors.Is(err, unix.EPERM) {
		t.Skip("needs CAP_SYS_ADMIN, to make namespaces")
	}
	t.Logf("apart:\n%s", out)
	if err != nil {
		t.Error(err)
	}
	return false
}

// A pod's volume is mounted in the node's folder; the kubelet that should unmount it
// is dead. Whatever clearing up does, the volume's data lives.
func TestDataOfAMountedVolumeLives(t *testing.T) {
	if !apart(t) {
		return
	}
	dir := t.TempDir()
	disk, node := filepath.Join(dir, "disk"), filepath.Join(dir, "node")
	volumes := filepath.Join(node, "kubelet", "pods", "uid", "volumes")
	bound, other, file := filepath.Join(volumes, "bound"), filepath.Join(volumes, "a b", "tmpfs"), filepath.Join(volumes, "file")
	must(t, os.MkdirAll(disk, 0o755), os.MkdirAll(bound, 0o755), os.MkdirAll(other, 0o755), os.WriteFile(file, nil, 0o600),
		os.WriteFile(filepath.Join(disk, "data"), []byte("precious"), 0o600),
		os.WriteFile(filepath.Join(node, "kubelet", "state"), nil, 0o600),
		os.Symlink(disk, filepath.Join(volumes, "link")),
		unix.Mount("tmpfs", other, "tmpfs", 0, ""),
		os.WriteFile(filepath.Join(other, "data"), []byte("precious"), 0o600),
		// Of the same file system: only the kernel can tell that it is a mount.
		unix.Mount(disk, bound, "", unix.MS_BIND, ""),
		unix.Mount(filepath.Join(disk, "data"), file, "", unix.MS_BIND, ""))
	check := func(path string) {
		t.Helper()
		if data, err := os.ReadFile(path); string(data) != "precious" {
			t.Errorf("%s is lost: %v", path, err)
		}
	}

	err := removeTree(node)
	for _, path := range []string{bound, other, file} {
		if err == nil || !strings.Contains(err.Error(), path+": ") {
			t.Errorf("%s is not named in: %v", path, err)
		}
	}
	check(filepath.Join(disk, "data"))
	check(filepath.Join(other, "data"))
	check(filepath.Join(bound, "data"))
	if _, err := os.Stat(filepath.Join(node, "kubelet", "state")); !os.IsNotExist(err) {
		t.Error("what is not mounted is still there")
	}

	must(t, unmountBelow(node), removeTree(node))
	check(filepath.Join(disk, "data"))
	if _, err := os.Stat(node); !os.IsNotExist(err) {
		t.Error("the node's folder is still there")
	}
}

// Each is one clear reason, may be otherwise on another agent, and leaves nothing.
func TestStateFolderThatIsOfNoUse(t *testing.T) {
	if !apart(t) {
		return
	}
	tests := map[string]struct {
		flags   uintptr
		options string
		want    string
	}{
		"read-only": {flags: unix.MS_RDONLY, want: "read-only file system"},
		"noexec":    {flags: unix.MS_NOEXEC, want: "mounted noexec"},
		"full":      {options: "size=64k", want: "no space left on device"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			l := launchIn(t, newCluster(t, 0), goodKubelet+strings.Repeat("# as large as kubelets are\n", 4000))
			must(t, os.Mkdir(l.StateDir, 0o755), unix.Mount("tmpfs", l.StateDir, "tmpfs", tc.flags, tc.options))
			defer func() { must(t, unix.Unmount(l.StateDir, unix.MNT_DETACH)) }()
			message, err := l.Encode()
			must(t, err)
			err = testNode(t).Run(message, neverReady(t))
			if err == nil || !strings.Contains(err.Error(), tc.want) || !strings.Contains(err.Error(), l.StateDir) || errors.Is(err, nodeapi.ErrInvalid) {
				t.Errorf("error is %v", err)
			}
			left, _ := filepath.Glob(filepath.Join(l.StateDir, l.NodeName))
			parts, _ := filepath.Glob(filepath.Join(l.StateDir, nodeapi.CacheDirName, "*", "*"))
			if len(left)+len(parts) > 0 {
				t.Errorf("left: %v %v", left, parts)
			}
		})
	}
}

// Room is made on a full disk by forgetting what no node uses.
func TestFullDiskCostsTheCacheFirst(t *testing.T) {
	if !apart(t) {
		return
	}
	cache := testCache(t)
	must(t, os.MkdirAll(cache.Dir, 0o755), unix.Mount("tmpfs", cache.Dir, "tmpfs", 0, "size=1m"))
	defer func() { must(t, unix.Unmount(cache.Dir, unix.MNT_DETACH)) }()
	first, second := strings.Repeat("1", mebibyte*3/4), strings.Repeat("2", mebibyte*3/4)
	used, err := cache.Fetch(t.Context(), fileArtifact(t, "a", first))
	must(t, err)
	b := fileArtifact(t, "b", second)
	if _, err := cache.Fetch(t.Context(), b); !errors.Is(err, unix.ENOSPC) {
		t.Errorf("while the first is in use: error is %v", err)
	}
	must(t, used.Close())
	fetch(t, cache, b.URI, b.SHA256)
	if got := kept(cache, first, second); got != "2" {
		t.Errorf("kept: %s", got)
	}
}

// As long as something can't be removed, the next sweep must be able to try again.
func TestSweepThatFailsKeepsTheRecord(t *testing.T) {
	if !apart(t) {
		return
	}
	state := t.TempDir()
	node := filepath.Join(state, "n1")
	busy := filepath.Join(node, "kubelet", "data")
	must(t, os.MkdirAll(node, 0o755), (&record{NodeName: "n1"}).write(filepath.Join(node, recordFile)),
		os.MkdirAll(filepath.Dir(busy), 0o755), os.WriteFile(busy, nil, 0o600), immutable(busy, true))
	defer func() { _ = immutable(busy, false) }()
	if done, err := sweepNode(node); done || err == nil {
		t.Fatalf("swept: %t, %v", done, err)
	}
	must(t, immutable(busy, false))
	if done, err := sweepNode(node); !done || err != nil {
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

func TestSystemPathsAreTheNodesOwn(t *testing.T) {
	if !apart(t) {
		return
	}
	id, err := os.Readlink("/proc/self/ns/mnt")
	must(t, err)
	dir := t.TempDir()
	mounts := []mount{
		{filepath.Join(dir, "node", "pods"), filepath.Join(dir, "host", "log", "pods")},
		{"", filepath.Join(dir, "host", "run")},
	}
	if _, err := mountAll(mounts); err == nil {
		t.Fatal("mounted although the namespace is not the node's own")
	}
	t.Setenv(namespaceVariable, id)
	held, err := mountAll(mounts)
	must(t, err)
	must(t, os.WriteFile(filepath.Join(mounts[0].target, "x"), nil, 0o600), os.WriteFile(filepath.Join(mounts[1].target, "y"), nil, 0o600))
	if _, err := os.Stat(filepath.Join(mounts[0].source, "x")); err != nil {
		t.Errorf("it did not go into the node's folder: %v", err)
	}
	for _, h := range held {
		must(t, unmountBelow(h.path))
		h.release()
	}
	for _, m := range mounts {
		if _, err := os.Stat(m.target); !os.IsNotExist(err) {
			t.Errorf("%s is left on the host", m.target)
		}
	}
}

func TestHostFolderIsRemovedByTheLastNode(t *testing.T) {
	dir := t.TempDir()
	made, there := filepath.Join(dir, "var", "made"), filepath.Join(dir, "there")
	must(t, os.Mkdir(there, 0o755))
	var held []*hostDir
	for _, path := range []string{made, made, there} {
		h, err := claimHostDir(path)
		must(t, err)
		held = append(held, h)
	}
	held[0].release()
	if _, err := os.Stat(made); err != nil {
		t.Error("removed while another node needs it")
	}
	held[1].release()
	if _, err := os.Stat(made); !os.IsNotExist(err) {
		t.Error("not removed by the last node")
	}
	held[2].release()
	if _, err := os.Stat(there); err != nil {
		t.Error("removed although no node made it")
	}

	h, err := claimHostDir(made)
	must(t, err, os.WriteFile(filepath.Join(made, "of a stranger"), nil, 0o600))
	h.release()
	if _, err := os.Stat(filepath.Join(made, "of a stranger")); err != nil {
		t.Error("removed with what a stranger put there")
	}
}

func TestBridgeGoesWithItsPorts(t *testing.T) {
	if !apart(t) {
		return
	}
	if _, err := exec.LookPath("ip"); err != nil {
		t.Skip("needs iproute2")
	}
	for _, command := range []string{
		"link add k8sm-1 type bridge", "link add k8sm-2 type bridge",
		"link add veth1 type veth peer name peer1", "link add veth2 type veth peer name peer2",
		"link set veth1 master k8sm-1", "link set veth2 master k8sm-2",
	} {
		must(t, once(t.Context(), 10*time.Second, nil, "ip", strings.Fields(command)...))
	}
	must(t, removeBridge("k8sm-1"), removeBridge("k8sm-1"))
	links, err := listLinks()
	must(t, err)
	var names []string
	for _, l := range links {
		if !strings.Contains(l.name, "0") && l.name != "lo" { // tunl0 and the like come with some kernels
			names = append(names, l.name)
		}
	}
	slices.Sort(names)
	if diff := cmp.Diff([]string{"k8sm-2", "peer2", "veth2"}, names); diff != "" {
		t.Errorf("links (-want +got):\n%s", diff)
	}
}

// mesosContainer makes the cgroup of a Mesos container in the hierarchies by which an agent
// isolates, moves this process into it, and returns its ID and a function that removes it.
func mesosContainer(t *testing.T, isolated ...string) (id string, remove func() error) {
	t.Helper()
	mounts, err := readMounts()
	must(t, err)
	own, err := os.Open("/proc/self/cgroup")
	must(t, err)
	defer own.Close()
	hierarchies, err := parseHierarchies(own, mounts)
	must(t, err)
	id = fmt.Sprintf("container-%d", os.Getpid())
	if unified(hierarchies) {
		isolated = []string{""}
	}
	var undo []func() error
	for _, h := range hierarchies {
		if !slices.ContainsFunc(strings.Split(h.name, ","), func(c string) bool { return slices.Contains(isolated, c) }) {
			continue
		}
		dir := h.dir("/k8sm-test/" + id)
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Skipf("needs writable cgroups: %v", err)
		}
		if h.name == "cpuset" {
			must(t, inheritCPUSet(h, "/k8sm-test/"+id))
		}
		must(t, move(dir, os.Getpid()))
		undo = append(undo, func() error {
			return errors.Join(move(h.dir(h.path), os.Getpid()), removeCgroups([]string{dir}, []string{dir}))
		})
	}
	if len(undo) == 0 {
		t.Skip("needs cgroups")
	}
	return id, func() error {
		var problems []error
		for _, f := range undo {
			problems = append(problems, f())
		}
		return errors.Join(problems...)
	}
}

func TestContainerIsEnteredAndCleared(t *testing.T) {
	if !apart(t) {
		return
	}
	id, remove := mesosContainer(t, "cpu", "memory")
	defer func() { must(t, remove()) }()
	c, err := readCgroups(id)
	must(t, err, c.enter())
	for _, h := range c.hierarchies {
		if !slices.Contains(append(processes(h.dir(c.path)), processes(filepath.Join(h.dir(c.path), leaf))...), os.Getpid()) {
			t.Errorf("this process is not in %s", h.dir(c.path))
		}
	}
	// A pod as the kubelet would make it, with a shim beside it.
	pods := podCgroups(t, c)
	shim := exec.Command("/bin/sh", "-c", `sleep 60 & echo $!; wait`)
	stdout, err := shim.StdoutPipe()
	must(t, err, shim.Start())
	var sleeper int
	if _, err := fmt.Fscan(stdout, &sleeper); err != nil {
		t.Fatal(err)
	}
	for _, dir := range pods {
		must(t, move(dir, sleeper))
	}
	if diff := cmp.Diff([]int{sleeper}, containerInits(c.dirs())); diff != "" {
		t.Errorf("containers' first processes (-want +got):\n%s", diff)
	}

	must(t, killAll(c.dirs(), family()))
	if err := shim.Wait(); err == nil {
		t.Error("the shim lives")
	}
	must(t, c.leave(), removeCgroups(c.dirs(), c.made))
	for _, dir := range append(pods, c.made...) {
		if _, err := os.Stat(dir); !os.IsNotExist(err) {
			t.Errorf("%s is left", dir)
		}
	}
}

func podCgroups(t *testing.T, c *cgroups) []string {
	t.Helper()
	var pods []string
	for _, h := range c.hierarchies {
		dir := h.dir(c.path)
		for _, name := range []string{"kubepods", "pod1"} {
			dir = filepath.Join(dir, name)
			must(t, os.Mkdir(dir, 0o755))
		}
		if slices.Contains(strings.Split(h.name, ","), "cpuset") {
			must(t, inheritCPUSet(h, strings.TrimPrefix(dir, h.mount)))
		}
		pods = append(pods, dir)
	}
	return pods
}

// What a dead node's container left is killed and removed by the next executor, and
// nothing of a living one.
func TestSweepOfADeadContainer(t *testing.T) {
	if !apart(t) {
		return
	}
	id, remove := mesosContainer(t, "cpu", "memory")
	c, err := readCgroups(id)
	must(t, err, c.enter())
	pods := podCgroups(t, c)
	orphan := exec.Command("/bin/sleep", "60")
	must(t, orphan.Start())
	for _, dir := range pods {
		must(t, move(dir, orphan.Process.Pid))
	}
	// This process leaves; the orphan stays behind.
	must(t, c.leave())
	state := t.TempDir()
	node := filepath.Join(state, "n1")
	g := &ground{cgroups: c}
	r := &record{NodeName: "n1"}
	g.note(r, id)
	must(t, os.MkdirAll(node, 0o755), r.write(filepath.Join(node, recordFile)))

	done, err := sweepNode(node)
	if !done || err != nil {
		t.Errorf("swept: %t, %v", done, err)
	}
	if err := orphan.Wait(); err == nil {
		t.Error("the orphan lives")
	}
	for _, dir := range c.made {
		if _, err := os.Stat(dir); !os.IsNotExist(err) {
			t.Errorf("%s is left", dir)
		}
	}
	must(t, remove())
}
