package preflight

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// KernelLog is the device without which a kubelet does not start: it looks there for processes
// that the kernel killed for want of memory.
const KernelLog = "/dev/kmsg"

// CheckKernelLog fails where the container may not read the kernel's log at the path.
func CheckKernelLog(path string) error {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0)
	switch {
	case err == nil:
		return f.Close()
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf(`the container may not read %s, which the kubelet has to: the agent isolates by cgroups/devices (or cgroups/all); run the agent without that isolator, or allow the device: `+
			`--allowed_devices='{"allowed_devices": [{"device": {"path": %q}, "access": {"read": true}}]}'`, path, path)
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("the agent has no %s, which the kubelet has to read: give the device to the agent", path)
	}
	return fmt.Errorf("the kubelet has to read the kernel's log: %w", err)
}
