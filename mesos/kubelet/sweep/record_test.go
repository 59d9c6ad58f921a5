package sweep

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/go-logr/logr"
	"github.com/google/go-cmp/cmp"

	"github.com/k8sm/k8sm/mesos/kubelet/kubelettest"
	"github.com/k8sm/k8sm/mesos/kubelet/layout"
	"github.com/k8sm/k8sm/mesos/kubelet/loopdevice"
)

func TestRecordRoundTrip(t *testing.T) {
	dir := t.TempDir()
	want := &Record{
		NodeName: "n1", ContainerID: "c1", Network: "k8sm-1", Cgroups: []string{"/sys/fs/cgroup/cpu/mesos/c1"}, Made: []string{"/sys/fs/cgroup/pids/mesos/c1"},
		Runtime: "/run/containerd/containerd.sock", Kept: []string{"plugins"}, Mounted: true,
		Loops:   []loopdevice.Device{{Name: "loop3", FileSystem: 5, Inode: 7}},
		PodLogs: "/var/log/pods", KeptLogs: []string{"ns_before_uid"},
	}
	kubelettest.Must(t, want.Write(dir))
	got, err := read(dir)
	kubelettest.Must(t, err)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("record (-want +got):\n%s", diff)
	}
	if info, err := os.Stat(filepath.Join(dir, layout.RecordFile)); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("file is %v, %v", info, err)
	}
}

// Other releases sweep by the record, so its text must not change.
func TestRecordOfAnEarlierRelease(t *testing.T) {
	const text = `{"nodeName":"n1","containerID":"c1","network":"k8sm-1","cgroups":["/a/c1"],"made":["/b/c1"],"runtime":"/s","kept":["x"],"mounted":true}`
	dir := t.TempDir()
	kubelettest.Must(t, os.WriteFile(filepath.Join(dir, layout.RecordFile), []byte(text), 0o600))
	r, err := read(dir)
	kubelettest.Must(t, err)
	kubelettest.Must(t, r.Write(dir))
	if got := kubelettest.Content(filepath.Join(dir, layout.RecordFile)); got != text {
		t.Errorf("written as %s", got)
	}
	kubelettest.Must(t, (&Record{NodeName: "n1"}).Write(dir))
	if got := kubelettest.Content(filepath.Join(dir, layout.RecordFile)); got != `{"nodeName":"n1"}` {
		t.Errorf("a node without real containers is written as %s", got)
	}
}

func TestRecordThatCannotBeRead(t *testing.T) {
	dir := t.TempDir()
	if r, err := read(dir); r != nil || err != nil {
		t.Errorf("a folder without a record: %+v, %v", r, err)
	}
	file := filepath.Join(dir, layout.RecordFile)
	kubelettest.Must(t, os.WriteFile(file, []byte(`{"nodeName": "n`), 0o600))
	if r, err := read(dir); r == nil || err != nil || r.NodeName != filepath.Base(dir) {
		t.Errorf("a record that was cut off: %+v, %v", r, err)
	}
	kubelettest.Must(t, os.Remove(file), os.Mkdir(file, 0o700))
	if r, err := read(dir); r != nil || err == nil {
		t.Errorf("a folder in its place: %+v, %v", r, err)
	}
	if err := (&Record{}).Write(filepath.Join(dir, "none")); err == nil {
		t.Error("written into a folder that is not there")
	}
}

// One node that cannot be swept must not keep the others.
func TestSweepContinuesAfterAnError(t *testing.T) {
	state := t.TempDir()
	for _, node := range []string{"a", "c"} {
		kubelettest.Must(t, os.Mkdir(filepath.Join(state, node), 0o755), (&Record{NodeName: node}).Write(filepath.Join(state, node)))
	}
	kubelettest.Must(t, os.Mkdir(filepath.Join(state, "b"), 0o755), (&Record{NodeName: "b", Cgroups: []string{"/"}}).Write(filepath.Join(state, "b")))
	swept, err := Sweep(t.Context(), state, logr.Discard())
	if swept != 2 || err == nil {
		t.Errorf("swept %d, error %v", swept, err)
	}
	if _, err := os.Stat(filepath.Join(state, "b", layout.RecordFile)); err != nil {
		t.Error("the record is lost")
	}
}

func TestOtherNodesAreThoseWithARecord(t *testing.T) {
	state := t.TempDir()
	node := func(name string) string { return filepath.Join(state, name) }
	for _, dir := range []string{node("n1"), node("cache"), node("empty")} {
		kubelettest.Must(t, os.Mkdir(dir, 0o700))
	}
	record := &Record{NodeName: "n1"}
	kubelettest.Must(t, record.Write(node("n1")))
	if others, err := otherNodes(node("n1")); others || err != nil {
		t.Errorf("others: %t, %v", others, err)
	}
	kubelettest.Must(t, os.Mkdir(node("n2"), 0o700), record.Write(node("n2")))
	if others, err := otherNodes(node("n1")); !others || err != nil {
		t.Errorf("others: %t, %v", others, err)
	}
	if _, err := otherNodes("/no/such/state/n1"); err == nil {
		t.Error("a state folder that cannot be read has no other nodes")
	}
}
