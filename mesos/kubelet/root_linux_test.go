package kubelet

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/k8sm/k8sm/mesos/kubelet/apiserver/apiservertest"
	"github.com/k8sm/k8sm/mesos/kubelet/kubelettest"
	"github.com/k8sm/k8sm/mesos/nodeapi"
)

// Each is one clear reason, may be otherwise on another agent, and leaves nothing.
func TestUnusableStateFolder(t *testing.T) {
	if !kubelettest.Isolated(t) {
		return
	}
	tests := map[string]struct {
		flags   uintptr
		options string
		want    string
	}{
		"read-only": {flags: unix.MS_RDONLY, want: "read-only file system"},
		"noexec":    {flags: unix.MS_NOEXEC, want: "mounted noexec"},
		"full":      {options: "size=64k", want: "no space left on device"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			l := launchIn(t, apiservertest.New(t, time.Now, 0), goodKubelet+strings.Repeat("# as large as kubelets are\n", 4000))
			kubelettest.Must(t, os.Mkdir(l.StateDir, 0o755), unix.Mount("tmpfs", l.StateDir, "tmpfs", tc.flags, tc.options))
			defer func() { kubelettest.Must(t, unix.Unmount(l.StateDir, unix.MNT_DETACH)) }()
			message, err := l.Encode()
			kubelettest.Must(t, err)
			err = testNode(t).Run(message, neverReady(t))
			if err == nil || !strings.Contains(err.Error(), tc.want) || !strings.Contains(err.Error(), l.StateDir) || errors.Is(err, nodeapi.ErrInvalid) {
				t.Errorf("error is %v", err)
			}
			left, _ := filepath.Glob(filepath.Join(l.StateDir, l.NodeName))
			parts, _ := filepath.Glob(filepath.Join(l.StateDir, nodeapi.CacheDirName, "*", "*"))
			if len(left)+len(parts) > 0 {
				t.Errorf("left: %v %v", left, parts)
			}
		})
	}
}
