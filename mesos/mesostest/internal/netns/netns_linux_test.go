package netns_test

import (
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/k8sm/k8sm/mesos/mesostest/internal/netns"
)

// namespace makes a network namespace that exists until the test ends, with its loopback
// interface up, and returns its path.
func namespace(t *testing.T) string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root, to make a network namespace")
	}
	made, errs := make(chan *os.File, 1), make(chan error, 1)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			errs <- err
			return
		}
		if err := loopbackUp(); err != nil {
			errs <- err
			return
		}
		f, err := os.Open("/proc/thread-self/ns/net")
		if err != nil {
			errs <- err
			return
		}
		made <- f
	}()
	select {
	case err := <-errs:
		t.Skip("no network namespace can be made here: ", err)
		return ""
	case f := <-made:
		t.Cleanup(func() { f.Close() })
		return fmt.Sprintf("/proc/self/fd/%d", f.Fd())
	}
}

func loopbackUp() error {
	s, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(s)
	request, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	request.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	return unix.IoctlIfreq(s, unix.SIOCSIFFLAGS, request)
}

// current is the identity of this thread's network namespace.
func current(t *testing.T) string {
	t.Helper()
	link, err := os.Readlink("/proc/thread-self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	return link
}

func TestRunEntersTheNamespaceAndReturns(t *testing.T) {
	path := namespace(t)
	want, err := os.Readlink(path)
	if err != nil {
		t.Fatal(err)
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	before := current(t)
	failed := errors.New("failed")
	err = netns.Run(path, func() error {
		if got := current(t); got != want || got == before {
			t.Errorf("the function runs in %s, want %s", got, want)
		}
		return failed
	})
	if !errors.Is(err, failed) {
		t.Errorf("the function's error became %v", err)
	}
	if after := current(t); after != before {
		t.Errorf("this thread is in %s, was in %s", after, before)
	}
}

// Goroutines that run at the same time must not end up in each other's namespace.
func TestNamespacesDoNotMix(t *testing.T) {
	paths := []string{namespace(t), namespace(t), ""}
	var group sync.WaitGroup
	for i := range 60 {
		path := paths[i%len(paths)]
		want := current(t)
		if path != "" {
			want, _ = os.Readlink(path)
		}
		group.Go(func() {
			_ = netns.Run(path, func() error {
				if got, _ := os.Readlink("/proc/thread-self/ns/net"); got != want {
					t.Errorf("run in %s, want %s", got, want)
				}
				return nil
			})
		})
	}
	group.Wait()
}

func TestListenerIsInItsNamespaceOnly(t *testing.T) {
	path := namespace(t)
	l, err := netns.Listen(path, "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	dial := func() error {
		conn, err := net.Dial("tcp", l.Addr().String())
		if err == nil {
			conn.Close()
		}
		return err
	}
	if err := netns.Run(path, dial); err != nil {
		t.Errorf("from inside: %v", err)
	}
	if err := dial(); err == nil {
		t.Error("it can be reached from outside")
	}
	if again, err := netns.Listen("", l.Addr().String()); err != nil {
		t.Errorf("the address is taken outside, too: %v", err)
	} else {
		again.Close()
	}
}

func TestFileThatIsNoNamespace(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	before := current(t)
	if err := netns.Run("/dev/null", func() error { t.Error("the function ran"); return nil }); err == nil {
		t.Error("there is no error")
	}
	if after := current(t); after != before {
		t.Errorf("this thread is in %s, was in %s", after, before)
	}
}
