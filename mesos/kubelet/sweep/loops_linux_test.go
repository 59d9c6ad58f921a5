package sweep

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-logr/logr"

	"github.com/k8sm/k8sm/mesos/kubelet/kubelettest"
	"github.com/k8sm/k8sm/mesos/kubelet/layout"
	"github.com/k8sm/k8sm/mesos/kubelet/loopdevice"
)

// losetup makes a loop device of a new file.
func losetup(t *testing.T, path string) (name string) {
	t.Helper()
	kubelettest.Must(t, os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, make([]byte, 1<<16), 0o600))
	out, err := exec.Command("losetup", "--find", "--show", path).Output()
	if err != nil {
		t.Skipf("needs loop devices, and losetup: %v", err)
	}
	device := strings.TrimSpace(string(out))
	t.Cleanup(func() { _ = exec.Command("losetup", "--detach", device).Run() })
	return filepath.Base(device)
}

// The executor was killed: one device is recorded, since its file is elsewhere, as that of
// another device is; the other's file is in the node's folder.
func TestLoopDevicesOfADeadNodeAreSwept(t *testing.T) {
	state, elsewhere := t.TempDir(), t.TempDir()
	node := filepath.Join(state, "n1")
	inside := losetup(t, filepath.Join(node, "kubelet", "plugins", "image"))
	recorded, strangers := losetup(t, filepath.Join(elsewhere, "volumes", "image")), losetup(t, filepath.Join(elsewhere, "stranger"))
	loops, err := loopdevice.Of(filepath.Join(elsewhere, "volumes"))
	kubelettest.Must(t, err, (&Record{NodeName: "n1", Loops: loops}).Write(node))
	if len(loops) != 1 || loops[0].Name != recorded {
		t.Fatalf("recorded are %v, want %s", loops, recorded)
	}
	swept, err := Sweep(t.Context(), state, logr.Discard())
	if swept != 1 || err != nil {
		t.Errorf("swept %d, error %v", swept, err)
	}
	for name, want := range map[string]bool{inside: false, recorded: false, strangers: true} {
		if _, err := os.Stat("/sys/block/" + name + "/loop/backing_file"); (err == nil) != want {
			t.Errorf("%s is attached: %t", name, err == nil)
		}
	}
	if _, err := os.Stat(filepath.Join(node, layout.RecordFile)); !os.IsNotExist(err) {
		t.Errorf("the node's folder is left: %v", err)
	}
}
