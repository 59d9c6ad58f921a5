package machine

import (
	"errors"
	"fmt"
	"math"
	"os"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// maxOpenFiles is the number of files that a process may have open, as the units of container
// runtimes set it. Pods inherit the limits of the runtime, and that of the agent's unit may be
// meant for one program.
const maxOpenFiles = 1 << 20

// RaiseLimits raises the limits of this process, and of what it starts, to those that the
// units of container runtimes set: of open files, and of processes of its user. A limit that
// is higher stays. Without CAP_SYS_RESOURCE the hard limits bound it.
func RaiseLimits() error {
	files := uint64(maxOpenFiles)
	if data, err := os.ReadFile("/proc/sys/fs/nr_open"); err == nil {
		if n, err := strconv.ParseUint(strings.TrimSpace(string(data)), 10, 64); err == nil {
			files = min(files, n)
		}
	}
	return errors.Join(raise("open files", unix.RLIMIT_NOFILE, files), raise("processes", unix.RLIMIT_NPROC, math.MaxUint64))
}

// ResetUmask sets the mask that services have by default. With that of the agent's unit, users
// in containers might not read what is made for them.
func ResetUmask() { syscall.Umask(0o022) }

// raise raises both limits of a resource as far as it may.
func raise(name string, resource int, wanted uint64) error {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(resource, &limit); err != nil {
		return fmt.Errorf("reading limit of %s: %w", name, err)
	}
	if limit.Cur >= wanted {
		return nil
	}
	// Through package syscall, so that Go's runtime leaves the limit to what is started.
	err := syscall.Setrlimit(resource, &syscall.Rlimit{Cur: wanted, Max: max(wanted, limit.Max)})
	if errors.Is(err, syscall.EPERM) {
		err = syscall.Setrlimit(resource, &syscall.Rlimit{Cur: min(wanted, limit.Max), Max: limit.Max})
	}
	if err != nil {
		return fmt.Errorf("raising limit of %s: %w", name, err)
	}
	return nil
}
