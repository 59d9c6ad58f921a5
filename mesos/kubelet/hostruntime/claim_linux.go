package hostruntime

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/k8sm/k8sm/mesos/kubelet/filelock"
	"github.com/k8sm/k8sm/mesos/kubelet/layout"
	"github.com/k8sm/k8sm/mesos/kubelet/mount"
)

// claim holds the kubelet's folder of the agent, and with it the agent's runtime, for one
// node. It ends with the process, however that ends. All sockets are one claim, because there
// is one folder for the kubelet.
type claim struct {
	lock *filelock.Lock
	// name is a socket that says the same to nodes of release 1. Any user of the agent can
	// take the name, so nothing depends on it.
	name net.Listener
}

// claimName belongs to the network namespace of the agent.
const claimName = "@k8sm" + layout.KubeletRoot

// errClaimed says what to do about a second node.
var errClaimed = fmt.Errorf("another node on this agent uses its container runtime, and with it %s: an agent can have one such node (maxNodesPerAgent: 1), so pools of them are to be kept apart by placement", layout.KubeletRoot)

// claimFolder claims the kubelet's folder as the runtime with this mount namespace sees it.
func claimFolder(mounts *os.File) (*claim, error) {
	path, err := lockOf(mounts)
	if err != nil {
		return nil, err
	}
	lock, err := filelock.Try(path)
	if errors.Is(err, filelock.ErrLocked) {
		return nil, errClaimed
	}
	if err != nil {
		return nil, fmt.Errorf("claiming %s: %w", layout.KubeletRoot, err)
	}
	name, err := net.Listen("unix", claimName)
	if err != nil && isRootListening(claimName) {
		lock.RemoveLast()
		return nil, errClaimed
	}
	return &claim{lock, name}, nil
}

// lockOf returns the path of the lock. The folder above the kubelet's tells one machine's, or
// one mount namespace's, from another's, and is there before any kubelet.
func lockOf(mounts *os.File) (path string, err error) {
	if err := filelock.MakeDir(layout.Locks); err != nil {
		return "", err
	}
	err = mount.Within(mounts, func() error {
		var folder unix.Stat_t
		if err := unix.Stat(filepath.Dir(layout.KubeletRoot), &folder); err != nil {
			return fmt.Errorf("claiming %s: %w", layout.KubeletRoot, err)
		}
		path = filepath.Join(layout.Locks, fmt.Sprintf("runtime-%x-%x", folder.Dev, folder.Ino))
		return nil
	})
	return path, err
}

// isRootListening reports whether a process of root listens on the socket. Other users of the
// agent can listen there as well, and hold nothing by it.
func isRootListening(socket string) bool {
	c, err := net.Dial("unix", socket)
	if err != nil {
		return false
	}
	defer c.Close()
	peer, err := peerOf(c)
	return err == nil && peer.Uid == 0
}

// release gives up the claim.
func (c *claim) release() {
	if c.name != nil {
		_ = c.name.Close()
	}
	c.lock.RemoveLast()
}

// peerOf returns who listens at the other end of a connection to a socket.
func peerOf(c net.Conn) (*unix.Ucred, error) {
	raw, err := c.(*net.UnixConn).SyscallConn()
	if err != nil {
		return nil, err
	}
	var peer *unix.Ucred
	var refused error
	err = raw.Control(func(fd uintptr) { peer, refused = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) })
	return peer, errors.Join(err, refused)
}
