package container

import (
	"errors"

	"golang.org/x/sys/unix"
)

// awaitExit waits until the process has exited, and leaves it a zombie: as long as
// it is, no other process gets its number.
func awaitExit(pid int) bool {
	for {
		err := unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
		if !errors.Is(err, unix.EINTR) {
			return err == nil
		}
	}
}
