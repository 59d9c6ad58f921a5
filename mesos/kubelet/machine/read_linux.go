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
	"syscall"

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
		PIDs:          pids,
		CPUs:          onlineCPUs(),
		HugePageBytes: hugePages(hugePagesDir),
		MemoryBytes:   int64(memory.Totalram) * int64(memory.Unit),
		DiskBytes:     int64(disk.Blocks) * disk.Frsize,
		FreeBytes:     int64(disk.Bavail) * disk.Frsize,
	}, nil
}

// hugePagesDir has a folder for each size of huge pages.
const hugePagesDir = "/sys/kernel/mm/hugepages"

// hugePages returns the bytes that are set aside for huge pages of all sizes. Folders are
// called hugepages-2048kB and the like.
func hugePages(dir string) int64 {
	entries, _ := os.ReadDir(dir)
	total := int64(0)
	for _, e := range entries {
		size, isSize := strings.CutSuffix(strings.TrimPrefix(e.Name(), "hugepages-"), "kB")
		data, err := os.ReadFile(filepath.Join(dir, e.Name(), "nr_hugepages"))
		if !isSize || err != nil {
			continue
		}
		kib, err1 := strconv.ParseInt(size, 10, 64)
		count, err2 := strconv.ParseInt(strings.TrimSpace(string(data)), 10, 64)
		if err1 == nil && err2 == nil {
			total += kib * count << 10
		}
	}
	return total
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

// onlineCPUs counts the machine's CPUs. Go's runtime counts the CPUs that this process may use.
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

// CloseToOthers fails if another user owns the folder, and takes the right to write there from
// others: who can do that can replace the programs of nodes.
func CloseToOthers(dir string) error {
	info, err := os.Stat(dir)
	if err != nil {
		return fmt.Errorf("reading owner of %s: %w", dir, err)
	}
	owner := info.Sys().(*syscall.Stat_t).Uid
	if owner != 0 && int(owner) != os.Geteuid() {
		return fmt.Errorf("the folder %s belongs to user %d, who could replace the programs of nodes there: give it to root, and remove what is in it", dir, owner)
	}
	if info.Mode().Perm()&0o022 == 0 || int(owner) != os.Geteuid() {
		return nil
	}
	if err := os.Chmod(dir, info.Mode().Perm()&^0o022); err != nil {
		return fmt.Errorf("closing %s to others: %w", dir, err)
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
