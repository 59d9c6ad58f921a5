package kubelet

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/k8sm/k8sm/mesos/kubelet/kubelettest"
	"github.com/k8sm/k8sm/mesos/kubelet/layout"
	"github.com/k8sm/k8sm/mesos/kubelet/sweep"
)

func TestLoopDevicesOfVolumesAreRecorded(t *testing.T) {
	n, dir := testNode(t), t.TempDir()
	n.layout, n.record = layout.Layout{Dir: dir}, &sweep.Record{NodeName: "n1"}
	volumes := filepath.Join(dir, "kubelet")
	recorded := func() string {
		t.Helper()
		kubelettest.Must(t, n.updateLoops(volumes))
		return kubelettest.Content(filepath.Join(dir, layout.RecordFile))
	}
	if got := recorded(); got != "" {
		t.Errorf("without volumes it is written as %s", got)
	}
	image := filepath.Join(volumes, "image")
	kubelettest.Must(t, os.MkdirAll(volumes, 0o755), os.WriteFile(image, make([]byte, 1<<16), 0o600))
	out, err := exec.Command("losetup", "--find", "--show", image).Output()
	if err != nil {
		t.Skipf("needs loop devices, and losetup: %v", err)
	}
	device := strings.TrimSpace(string(out))
	defer func() { _ = exec.Command("losetup", "--detach", device).Run() }()
	if got := recorded(); !strings.Contains(got, `"name":"`+filepath.Base(device)+`"`) {
		t.Errorf("record is %s", got)
	}
	kubelettest.Must(t, exec.Command("losetup", "--detach", device).Run())
	if got := recorded(); got != `{"nodeName":"n1"}` {
		t.Errorf("after the volume it is %s", got)
	}
}
