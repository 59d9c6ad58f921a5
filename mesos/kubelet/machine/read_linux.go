package machine

import (
	"bufio"
	"bytes"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Read reads sizes where the kubelet reads them. Dir is on the file system that holds the
// node's state.
func Read(dir string) (Machine, error) {
	var memory unix.Sysinfo_t
	if err := unix.Sysinfo(&memory); err != nil {
		return Machine{}, fmt.Errorf("reading size of memory: %w", err)
	}
	var disk unix.Statfs_t
	if err := unix.Statfs(dir, &disk); err != nil {
		return Machine{}, fmt.Errorf("reading size of disk: %w", err)
	}
	pids, err := maxPIDs("/proc/sys/kernel")
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

// maxPIDs reads the limits that the kubelet reads, too, and returns the lowest.
func maxPIDs(dir string) (int64, error) {
	least := int64(math.MaxInt64)
	for _, name := range []string{"pid_max", "threads-max"} {
		data, err := os.ReadFile(filepath.Join(dir, name))
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

// onlineCPUs counts the machine's; Go's runtime counts those that this process may use.
func onlineCPUs() int {
	data, err := os.ReadFile("/sys/devices/system/cpu/online")
	if err == nil {
		if n, err := countCPUs(strings.TrimSpace(string(data))); err == nil && n > 0 {
			return n
		}
	}
	return runtime.NumCPU()
}

// CheckExecutable fails where the file system does not allow programs to be started.
func CheckExecutable(dir string) error {
	var disk unix.Statfs_t
	if err := unix.Statfs(dir, &disk); err != nil {
		return fmt.Errorf("reading mount options of %s: %w", dir, err)
	}
	if disk.Flags&unix.ST_NOEXEC != 0 {
		return fmt.Errorf("the file system of %s is mounted noexec, and the kubelet is to be started from there: mount it anew without, or choose another state folder", dir)
	}
	return nil
}

// CanLowerOOMScore reports whether this process has CAP_SYS_RESOURCE.
func CanLowerOOMScore() bool {
	data, err := os.ReadFile("/proc/self/status")
	return err == nil && hasCapability(data, unix.CAP_SYS_RESOURCE)
}

// hasCapability reads the effective capabilities from /proc/<pid>/status.
func hasCapability(status []byte, capability int) bool {
	lines := bufio.NewScanner(bytes.NewReader(status))
	for lines.Scan() {
		if value, ok := strings.CutPrefix(lines.Text(), "CapEff:"); ok {
			mask, err := strconv.ParseUint(strings.TrimSpace(value), 16, 64)
			return err == nil && mask&(1<<capability) != 0
		}
	}
	return false
}
