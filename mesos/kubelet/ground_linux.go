package kubelet

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// ground is what the kernel gives a node: cgroups and mounts. The nil ground is that
// of a node without real containers, and gives nothing.
type ground struct {
	cgroups *cgroups
	mounts  []mount
	network string
	host    *borrowed // the agent's runtime, if that is used
	held    []*hostDir
}

// survey finds the ground of real containers, and changes nothing.
func survey(containerID string, p layout) (*ground, error) {
	c, err := readCgroups(containerID)
	if err != nil {
		return nil, err
	}
	g := &ground{cgroups: c, mounts: p.mounts(), network: p.network()}
	if p.borrowed != "" {
		g.host, err = borrow(p.borrowed)
	}
	return g, err
}

// note writes down what take will make.
func (g *ground) note(r *record, containerID string) {
	if g == nil {
		return
	}
	r.ContainerID = containerID
	r.Network = g.network
	r.Cgroups, r.Made = g.cgroups.dirs(), g.cgroups.made
	if g.host != nil {
		r.Runtime, r.Kept, r.Mounted = g.host.socket, g.host.kept, g.host.mounted
	}
}

// take enters the cgroups, holds them to what is allocated, and mounts the system paths.
func (g *ground) take(cpus float64, memory int64) error {
	if g == nil {
		return nil
	}
	for _, prepare := range []func() error{
		g.cgroups.enter,
		g.cgroups.keepMemoryEvents,
		func() error { return g.cgroups.hold(cpus, memory) },
	} {
		if err := prepare(); err != nil {
			return err
		}
	}
	held, err := mountAll(g.mounts)
	g.held = held
	if err != nil || g.host == nil {
		return err
	}
	for _, path := range []string{kubeletRoot, containerLogs} {
		dir, err := claimHostDir(path)
		if err != nil {
			return err
		}
		g.held = append(g.held, dir)
	}
	return nil
}

// mountNamespace that the kubelet is to run in: where its mounts are seen by who runs the
// containers. Nil: this process's.
func (g *ground) mountNamespace() *os.File {
	if g == nil || g.host == nil {
		return nil
	}
	return g.host.mounts
}

func (g *ground) cgroupRoot() string {
	if g == nil {
		return ""
	}
	return g.cgroups.path
}

func (g *ground) cpuQuota() bool { return g != nil && g.cgroups.cpuQuota() }

// containers that run, by their first processes.
func (g *ground) containers() []container {
	if g == nil {
		return nil
	}
	var found []container
	for _, pid := range containerInits(g.cgroups.dirs()) {
		found = append(found, container{pid, podOf(pid)})
	}
	return found
}

// clear kills all in the container but this process and its ancestors, and removes
// what the node has left.
func (g *ground) clear(r *record, dir string) error {
	if g == nil {
		return r.remove(dir)
	}
	problems := []error{killAll(g.cgroups.dirs(), family()), g.cgroups.leave()}
	for i := len(g.held) - 1; i >= 0; i-- {
		problems = append(problems, unmountBelow(g.held[i].path))
	}
	g.host.release()
	problems = append(problems, r.remove(dir))
	for _, h := range g.held {
		h.release()
	}
	return errors.Join(problems...)
}

// readMachine reads sizes where the kubelet reads them. Dir is on the file system that
// holds the node's state.
func readMachine(dir string) (Machine, error) {
	var memory unix.Sysinfo_t
	if err := unix.Sysinfo(&memory); err != nil {
		return Machine{}, fmt.Errorf("reading size of memory: %w", err)
	}
	var disk unix.Statfs_t
	if err := unix.Statfs(dir, &disk); err != nil {
		return Machine{}, fmt.Errorf("reading size of disk: %w", err)
	}
	pids, err := readPIDs()
	if err != nil {
		return Machine{}, err
	}
	return Machine{
		PIDs:        pids,
		CPUs:        onlineCPUs(),
		MemoryBytes: int64(memory.Totalram) * int64(memory.Unit),
		DiskBytes:   int64(disk.Blocks) * disk.Frsize,
		FreeBytes:   int64(disk.Bavail) * disk.Frsize,
	}, nil
}

// readPIDs reads what the kubelet takes for the bound, too.
func readPIDs() (int64, error) {
	least := int64(math.MaxInt64)
	for _, name := range []string{"pid_max", "threads-max"} {
		data, err := os.ReadFile(filepath.Join("/proc/sys/kernel", name))
		if err != nil {
			return 0, fmt.Errorf("reading how many processes there can be: %w", err)
		}
		n, err := strconv.ParseInt(strings.TrimSpace(string(data)), 10, 64)
		if err != nil {
			return 0, fmt.Errorf("reading how many processes there can be: %w", err)
		}
		least = min(least, n)
	}
	return least, nil
}

// checkExecutable fails where the file system does not let programs be started.
func checkExecutable(dir string) error {
	var disk unix.Statfs_t
	if err := unix.Statfs(dir, &disk); err != nil {
		return fmt.Errorf("reading mount options of %s: %w", dir, err)
	}
	if disk.Flags&unix.ST_NOEXEC != 0 {
		return fmt.Errorf("the file system of %s is mounted noexec, and the kubelet is to be started from there: mount it anew without, or choose another state folder", dir)
	}
	return nil
}

// onlineCPUs counts those of the machine; the runtime counts those of this process.
func onlineCPUs() int {
	data, err := os.ReadFile("/sys/devices/system/cpu/online")
	if err == nil {
		if n, err := countList(strings.TrimSpace(string(data))); err == nil && n > 0 {
			return n
		}
	}
	return runtime.NumCPU()
}

// countList counts the numbers of a list like 0-3,8,10-11.
func countList(list string) (int, error) {
	count := 0
	for _, part := range strings.Split(list, ",") {
		first, last, isRange := strings.Cut(part, "-")
		if !isRange {
			last = first
		}
		from, err1 := strconv.Atoi(first)
		to, err2 := strconv.Atoi(last)
		if err := errors.Join(err1, err2); err != nil || to < from {
			return 0, fmt.Errorf("reading list %q: malformed", list)
		}
		count += to - from + 1
	}
	return count, nil
}

// mayLowerOOMScore says whether this process has CAP_SYS_RESOURCE.
func mayLowerOOMScore() bool {
	data, err := os.ReadFile(filepath.Join("/proc/self", "status"))
	if err != nil {
		return false
	}
	lines := bufio.NewScanner(bytes.NewReader(data))
	for lines.Scan() {
		if value, ok := strings.CutPrefix(lines.Text(), "CapEff:"); ok {
			mask, err := strconv.ParseUint(strings.TrimSpace(value), 16, 64)
			return err == nil && mask&(1<<unix.CAP_SYS_RESOURCE) != 0
		}
	}
	return false
}
