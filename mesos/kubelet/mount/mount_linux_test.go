package mount

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/k8sm/k8sm/mesos/kubelet/kubelettest"
)

// A pod's volume is mounted in the node's folder; the kubelet that should unmount it
// is dead. Whatever clearing up does, the volume's data lives.
func TestRemovalKeepsDataOfMountedVolumes(t *testing.T) {
	if !kubelettest.Isolated(t) {
		return
	}
	dir := t.TempDir()
	disk, node := filepath.Join(dir, "disk"), filepath.Join(dir, "node")
	volumes := filepath.Join(node, "kubelet", "pods", "uid", "volumes")
	bound, other, file := filepath.Join(volumes, "bound"), filepath.Join(volumes, "a b", "tmpfs"), filepath.Join(volumes, "file")
	kubelettest.Must(t, os.MkdirAll(disk, 0o755), os.MkdirAll(bound, 0o755), os.MkdirAll(other, 0o755), os.WriteFile(file, nil, 0o600),
		os.WriteFile(filepath.Join(disk, "data"), []byte("precious"), 0o600),
		os.WriteFile(filepath.Join(node, "kubelet", "state"), nil, 0o600),
		os.Symlink(disk, filepath.Join(volumes, "link")),
		unix.Mount("tmpfs", other, "tmpfs", 0, ""),
		os.WriteFile(filepath.Join(other, "data"), []byte("precious"), 0o600),
		// Of the same file system: only the kernel can tell that it is a mount.
		unix.Mount(disk, bound, "", unix.MS_BIND, ""),
		unix.Mount(filepath.Join(disk, "data"), file, "", unix.MS_BIND, ""))
	check := func(path string) {
		t.Helper()
		if data, err := os.ReadFile(path); string(data) != "precious" {
			t.Errorf("%s is lost: %v", path, err)
		}
	}

	err := RemoveTree(t.Context(), node)
	for _, path := range []string{bound, other, file} {
		if err == nil || !strings.Contains(err.Error(), path+": ") {
			t.Errorf("%s is not named in: %v", path, err)
		}
	}
	check(filepath.Join(disk, "data"))
	check(filepath.Join(other, "data"))
	check(filepath.Join(bound, "data"))
	if _, err := os.Stat(filepath.Join(node, "kubelet", "state")); !os.IsNotExist(err) {
		t.Error("what is not mounted is still there")
	}

	kubelettest.Must(t, UnmountBelow(node), RemoveTree(t.Context(), node))
	check(filepath.Join(disk, "data"))
	if _, err := os.Stat(node); !os.IsNotExist(err) {
		t.Error("the node's folder is still there")
	}
}

func TestBindReplacesSystemPathsOfTheNode(t *testing.T) {
	if !kubelettest.Isolated(t) {
		return
	}
	id, err := os.Readlink("/proc/self/ns/mnt")
	kubelettest.Must(t, err)
	dir := t.TempDir()
	mounts := []Bind{
		{filepath.Join(dir, "node", "pods"), filepath.Join(dir, "host", "log", "pods")},
		{"", filepath.Join(dir, "host", "run")},
	}
	if _, err := BindAll(t.Context(), t.TempDir(), mounts); err == nil {
		t.Fatal("mounted although the namespace is not the node's own")
	}
	t.Setenv(namespaceVariable, id)
	held, err := BindAll(t.Context(), t.TempDir(), mounts)
	kubelettest.Must(t, err)
	kubelettest.Must(t, os.WriteFile(filepath.Join(mounts[0].Target, "x"), nil, 0o600), os.WriteFile(filepath.Join(mounts[1].Target, "y"), nil, 0o600))
	if _, err := os.Stat(filepath.Join(mounts[0].Source, "x")); err != nil {
		t.Errorf("it did not go into the node's folder: %v", err)
	}
	for _, h := range held {
		kubelettest.Must(t, UnmountBelow(h.Path))
		h.Release()
	}
	for _, m := range mounts {
		if _, err := os.Stat(m.Target); !os.IsNotExist(err) {
			t.Errorf("%s is left on the host", m.Target)
		}
	}
}

func TestHostFolderIsRemovedByTheLastNode(t *testing.T) {
	dir := t.TempDir()
	made, there := filepath.Join(dir, "var", "made"), filepath.Join(dir, "there")
	kubelettest.Must(t, os.Mkdir(there, 0o755))
	var held []*HostDir
	for _, path := range []string{made, made, there} {
		h, err := ClaimHostDir(t.Context(), t.TempDir(), path)
		kubelettest.Must(t, err)
		held = append(held, h)
	}
	held[0].Release()
	if _, err := os.Stat(made); err != nil {
		t.Error("removed while another node needs it")
	}
	held[1].Release()
	if _, err := os.Stat(made); !os.IsNotExist(err) {
		t.Error("not removed by the last node")
	}
	held[2].Release()
	if _, err := os.Stat(there); err != nil {
		t.Error("removed although no node made it")
	}

	h, err := ClaimHostDir(t.Context(), t.TempDir(), made)
	kubelettest.Must(t, err, os.WriteFile(filepath.Join(made, "of a stranger"), nil, 0o600))
	h.Release()
	if _, err := os.Stat(filepath.Join(made, "of a stranger")); err != nil {
		t.Error("removed with what a stranger put there")
	}
}
