package playground

import (
	"fmt"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// newNamespace makes a network namespace that lives as long as the returned file is
// open, or a process is in it. There is no mount and no name: nothing of it can be
// left behind.
func newNamespace() (*os.File, error) {
	type result struct {
		file *os.File
		err  error
	}
	made := make(chan result)
	go func() {
		// Never unlocked: the thread, which is in the namespace, ends with the goroutine.
		runtime.LockOSThread()
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			made <- result{err: fmt.Errorf("making network namespace: %w", err)}
			return
		}
		file, err := os.Open("/proc/thread-self/ns/net")
		if err != nil {
			err = fmt.Errorf("opening network namespace: %w", err)
		}
		made <- result{file, err}
	}()
	r := <-made
	return r.file, r.err
}
