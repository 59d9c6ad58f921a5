package hostruntime

import (
	"errors"
	"net"
	"os"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/k8sm/k8sm/mesos/kubelet/cri/critest"
	"github.com/k8sm/k8sm/mesos/kubelet/kubelettest"
	"github.com/k8sm/k8sm/mesos/kubelet/layout"
)

// ownLocks gives the test a folder of locks, and a machine, of its own.
func ownLocks(t *testing.T) {
	t.Helper()
	for _, dir := range []string{"/run", "/var/lib"} {
		kubelettest.Must(t, unix.Mount("tmpfs", dir, "tmpfs", 0, ""))
	}
}

func TestAgentsRuntimeIsClaimedByOneNode(t *testing.T) {
	if !kubelettest.Isolated(t) {
		return
	}
	ownLocks(t)
	first, err := claimFolder(nil)
	kubelettest.Must(t, err)
	if _, err := claimFolder(nil); !errors.Is(err, errClaimed) {
		t.Errorf("error of the second is %v", err)
	}
	socket := critest.Serve(t, critest.Answers{"ListPodSandbox": critest.Always(nil)})
	if err := (Usage{Socket: socket}).Release(t.Context(), "/nowhere"); !errors.Is(err, errClaimed) {
		t.Errorf("a dead node's sweep beside a live one: error is %v", err)
	}
	first.release()
	if _, err := os.Stat(layout.Locks); !os.IsNotExist(err) {
		t.Errorf("the folder of locks is left: %v", err)
	}
	second, err := claimFolder(nil)
	kubelettest.Must(t, err)
	second.release()
}

// listenAs lets another user listen on the name until the test ends.
func listenAs(t *testing.T, uid uintptr) {
	t.Helper()
	listening := make(chan net.Listener)
	go func() {
		runtime.LockOSThread() // for ever: the thread changes its user, and ends with this function
		if _, _, refused := unix.RawSyscall(unix.SYS_SETRESUID, uid, uid, uid); refused != 0 {
			t.Errorf("becoming user %d: %v", uid, refused)
		}
		l, err := net.Listen("unix", claimName)
		if err != nil {
			t.Errorf("listening as user %d: %v", uid, err)
		}
		listening <- l
	}()
	l := <-listening
	t.Cleanup(func() { _ = l.Close() })
}

// The name is no file that only root could open.
func TestAnotherUserCannotClaimTheAgentsRuntime(t *testing.T) {
	if !kubelettest.Isolated(t) {
		return
	}
	ownLocks(t)
	listenAs(t, 65534)
	c, err := claimFolder(nil)
	if err != nil {
		t.Fatalf("error is %v", err)
	}
	c.release()
}

// A node of release 1 holds nothing but the name.
func TestClaimOfANodeOfRelease1IsRespected(t *testing.T) {
	if !kubelettest.Isolated(t) {
		return
	}
	ownLocks(t)
	listenAs(t, 0)
	if _, err := claimFolder(nil); !errors.Is(err, errClaimed) {
		t.Errorf("error is %v", err)
	}
}

func TestPeerOfASocketIsItsListener(t *testing.T) {
	socket := critest.Serve(t, critest.Answers{})
	c, err := net.Dial("unix", socket)
	kubelettest.Must(t, err)
	defer c.Close()
	peer, err := peerOf(c)
	kubelettest.Must(t, err)
	if int(peer.Pid) != os.Getpid() || int(peer.Uid) != os.Geteuid() {
		t.Errorf("the peer is %+v", peer)
	}
	if isRootListening("@k8sm-test-nobody") {
		t.Error("somebody listens where nobody does")
	}
}
