package netns

import (
	"context"
	"fmt"
	"net"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// Run runs f in the network namespace at path; sockets that it opens and
// processes that it starts stay there. Nothing else changes: unlike with
// ip netns exec, /sys and the cgroups in it remain as they are.
func Run(path string, f func() error) error {
	if path == "" {
		return f()
	}
	target, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("opening network namespace: %w", err)
	}
	defer target.Close()
	runtime.LockOSThread()
	home, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		runtime.UnlockOSThread()
		return fmt.Errorf("opening own network namespace: %w", err)
	}
	defer home.Close()
	if err := unix.Setns(int(target.Fd()), unix.CLONE_NEWNET); err != nil {
		runtime.UnlockOSThread()
		return fmt.Errorf("entering network namespace %s: %w", path, err)
	}
	err = f()
	if back := unix.Setns(int(home.Fd()), unix.CLONE_NEWNET); back == nil {
		runtime.UnlockOSThread()
	} // else the thread stays locked, and ends with this goroutine
	return err
}

// Listen opens a TCP listener in the network namespace at a path; without a path, in that
// of this process.
func Listen(netNS, address string) (l net.Listener, err error) {
	err = Run(netNS, func() error {
		var config net.ListenConfig
		l, err = config.Listen(context.Background(), "tcp", address)
		return err
	})
	return l, err
}
