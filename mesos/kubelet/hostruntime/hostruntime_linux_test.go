package hostruntime

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/k8sm/k8sm/mesos/kubelet/cri/critest"
	"github.com/k8sm/k8sm/mesos/kubelet/kubelettest"
	"github.com/k8sm/k8sm/mesos/kubelet/layout"
	"github.com/k8sm/k8sm/mesos/kubelet/mount"
)

func TestMissingRuntimeIsAnError(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "s")
	if _, err := Acquire(socket); err == nil || !strings.Contains(err.Error(), socket) {
		t.Errorf("error is %v", err)
	}
}

// An agent that isolates by namespaces/pid has containers that see their own processes
// only, and the runtime's socket nevertheless.
func TestRuntimeInAnotherPIDNamespace(t *testing.T) {
	const variable = "K8SM_TEST_SOCKET"
	if os.Getenv(variable) == "" {
		t.Setenv(variable, critest.Serve(t, critest.Answers{
			"Version":       critest.Always(critest.Text(2, "containerd")),
			"RuntimeConfig": critest.Always(critest.Text(1, string(critest.Number(1, 1)))),
		}))
	}
	if !kubelettest.Isolated(t, unix.CLONE_NEWPID) {
		return
	}
	_, err := Acquire(os.Getenv(variable))
	if err == nil || !strings.Contains(err.Error(), "namespaces/pid") {
		t.Errorf("error is %v", err)
	}
	if held, err := net.Listen("unix", "@k8sm"+layout.KubeletRoot); err != nil {
		t.Errorf("it is claimed all the same: %v", err)
	} else {
		kubelettest.Must(t, held.Close())
	}
}

// Two pods are in the agent's runtime, one of them of the dead node c1.
func TestPodsOfAnotherKubeletAreRespected(t *testing.T) {
	if !kubelettest.Isolated(t) {
		return
	}
	kubelettest.Must(t, mount.UnmountBelow(layout.KubeletRoot), unix.Mount("tmpfs", "/var/lib", "tmpfs", 0, ""), os.Mkdir(layout.KubeletRoot, 0o755))
	removed := []string{}
	sandbox := func(id string) []byte { return critest.Text(1, string(critest.Text(1, id))) }
	socket := critest.Serve(t, critest.Answers{
		"ListPodSandbox": critest.Always(critest.Join(sandbox("a"), sandbox("b"))),
		"PodSandboxStatus": func(request []byte) ([]byte, string, string) {
			parent := map[byte]string{'a': "/kubepods/pod1", 'b': "/mesos/c1/kubepods/pod2"}[request[2]]
			info := `{"config": {"linux": {"cgroup_parent": "` + parent + `"}}}`
			return critest.Text(2, string(critest.Join(critest.Text(1, "info"), critest.Text(2, info)))), "0", ""
		},
		"StopPodSandbox": critest.Always(nil),
		"RemovePodSandbox": func(request []byte) ([]byte, string, string) {
			removed = append(removed, string(request[2:]))
			return nil, "0", ""
		},
	})
	r := &Runtime{Usage: Usage{Socket: socket}}
	if err := r.claimAlone(t.Context()); err == nil || !strings.Contains(err.Error(), "2 pods of another kubelet") {
		t.Errorf("error is %v", err)
	}
	r.claim.release()
	kubelettest.Must(t, Usage{Socket: socket, ContainerID: "c1"}.Release(t.Context(), "/nowhere"))
	if diff := cmp.Diff([]string{"b"}, removed); diff != "" {
		t.Errorf("removed (-want +got):\n%s", diff)
	}
}

// A kubelet that was there once has left an empty folder for pods. What this node's puts
// there must not be taken for that one's afterwards.
func TestFolderOfAnEarlierKubeletIsKept(t *testing.T) {
	if !kubelettest.Isolated(t) {
		return
	}
	kubelettest.Must(t, mount.UnmountBelow(layout.KubeletRoot), unix.Mount("tmpfs", "/var/lib", "tmpfs", 0, ""), os.MkdirAll(filepath.Join(layout.KubeletRoot, podsDir), 0o755),
		os.Mkdir(filepath.Join(layout.KubeletRoot, "plugins"), 0o755))
	var r Runtime
	kubelettest.Must(t, r.recordFolder(t.Context()))
	if diff := cmp.Diff([]string{"plugins"}, r.Kept); diff != "" || r.Mounted {
		t.Errorf("mounted %t, kept (-want +got):\n%s", r.Mounted, diff)
	}
	kubelettest.Must(t, os.Mkdir(filepath.Join(layout.KubeletRoot, podsDir, "uid"), 0o755))
	if err := new(Runtime).recordFolder(t.Context()); err == nil || !strings.Contains(err.Error(), "1 pods of another kubelet") {
		t.Errorf("error is %v", err)
	}
	kubelettest.Must(t, Usage{Kept: r.Kept}.clearKubeletRoot(t.Context()), r.recordFolder(t.Context()))
}

// What was in the agent's folder before stays, and so does what is mounted in the node's.
func TestReleaseRestoresTheAgentsKubeletFolder(t *testing.T) {
	if !kubelettest.Isolated(t) {
		return
	}
	kubelettest.Must(t, mount.UnmountBelow(layout.KubeletRoot), unix.Mount("tmpfs", "/var/lib", "tmpfs", 0, ""))
	disk := t.TempDir()
	volume := filepath.Join(layout.KubeletRoot, "pods", "uid", "volumes", "v")
	kubelettest.Must(t, os.MkdirAll(filepath.Join(layout.KubeletRoot, "plugins", "driver"), 0o755), unix.Mount(layout.KubeletRoot, layout.KubeletRoot, "", unix.MS_BIND, ""),
		os.MkdirAll(volume, 0o755),
		os.WriteFile(filepath.Join(disk, "data"), []byte("precious"), 0o600), unix.Mount(disk, volume, "", unix.MS_BIND, ""),
		os.WriteFile(filepath.Join(layout.KubeletRoot, "cpu_manager_state"), nil, 0o600))
	u := Usage{Socket: "/run/c.sock", Kept: []string{"plugins"}}
	kubelettest.Must(t, u.clearKubeletRoot(t.Context()))
	var left []string
	kubelettest.Must(t, filepath.WalkDir(layout.KubeletRoot, func(path string, _ os.DirEntry, err error) error {
		left = append(left, path)
		return err
	}))
	if diff := cmp.Diff([]string{layout.KubeletRoot, layout.KubeletRoot + "/plugins", layout.KubeletRoot + "/plugins/driver"}, left); diff != "" {
		t.Errorf("left (-want +got):\n%s", diff)
	}
	if data, err := os.ReadFile(filepath.Join(disk, "data")); string(data) != "precious" {
		t.Errorf("the data is lost: %v", err)
	}
	if mounted, err := isKubeletRootMounted(); mounted || err != nil {
		t.Errorf("the kubelet's mount upon itself is left, %v", err)
	}
	kubelettest.Must(t, unix.Mount(layout.KubeletRoot, layout.KubeletRoot, "", unix.MS_BIND, ""))
	u.Mounted = true
	kubelettest.Must(t, u.clearKubeletRoot(t.Context()))
	if mounted, err := isKubeletRootMounted(); !mounted || err != nil {
		t.Errorf("a mount of before is gone, %v", err)
	}
}

// Log agents mount the system's folders, so the logs are there, and only the node's go.
func TestReleaseRemovesTheLogsOfTheNodesPods(t *testing.T) {
	if !kubelettest.Isolated(t) {
		return
	}
	kubelettest.Must(t, unix.Mount("tmpfs", "/var/log", "tmpfs", 0, ""), os.MkdirAll(layout.PodLogs+"/ns_before_uid/c", 0o755), os.Mkdir(layout.ContainerLogs, 0o755))
	var r Runtime
	kubelettest.Must(t, r.recordLogs(t.Context()))
	if r.PodLogs != layout.PodLogs || len(r.KeptLogs) != 1 {
		t.Fatalf("usage is %+v", r.Usage)
	}
	kubelettest.Must(t, os.MkdirAll(layout.PodLogs+"/ns_ours_uid/c", 0o755), os.WriteFile(layout.PodLogs+"/ns_ours_uid/c/0.log", nil, 0o600),
		os.Symlink(layout.PodLogs+"/ns_ours_uid/c/0.log", layout.ContainerLogs+"/ours.log"), os.Symlink(layout.PodLogs+"/ns_before_uid/c/0.log", layout.ContainerLogs+"/before.log"),
		r.clearLogs(t.Context()), r.clearLogs(t.Context()), Usage{}.clearLogs(t.Context()))
	var left []string
	for _, dir := range []string{layout.PodLogs, layout.ContainerLogs} {
		entries, err := os.ReadDir(dir)
		kubelettest.Must(t, err)
		for _, e := range entries {
			left = append(left, e.Name())
		}
	}
	if diff := cmp.Diff([]string{"ns_before_uid", "before.log"}, left); diff != "" {
		t.Errorf("left (-want +got):\n%s", diff)
	}
}

func TestRemoveLinksKeepsLinksOfOtherNodes(t *testing.T) {
	from := t.TempDir()
	kubelettest.Must(t, os.Symlink("/state/n1/log/pods/a", filepath.Join(from, "mine")), os.Symlink("/state/n10/log/pods/a", filepath.Join(from, "other")),
		os.WriteFile(filepath.Join(from, "file"), nil, 0o600), removeLinks(from, "/state/n1"), removeLinks(filepath.Join(from, "none"), "/state/n1"))
	var left []string
	entries, _ := os.ReadDir(from)
	for _, e := range entries {
		left = append(left, e.Name())
	}
	if diff := cmp.Diff([]string{"file", "other"}, left); diff != "" {
		t.Errorf("left (-want +got):\n%s", diff)
	}
}

// A program is started where another process sees its mounts, and this one stays where
// it is.
func TestProgramsRunInTheMountNamespaceOfTheListener(t *testing.T) {
	if !kubelettest.Isolated(t) {
		return
	}
	socket := filepath.Join(t.TempDir(), "s")
	listener, err := net.Listen("unix", socket)
	kubelettest.Must(t, err)
	defer listener.Close()
	here, err := mountNamespaceOf(socket)
	kubelettest.Must(t, err)
	defer here.Close()
	// A neighbour in a namespace of its own does the starting.
	neighbour := exec.Command("unshare", "--mount", "--propagation=private", "sh", "-c", "mount -t tmpfs there /mnt && echo made && exec sleep 60")
	out, err := neighbour.StdoutPipe()
	kubelettest.Must(t, err, neighbour.Start())
	defer func() { _ = neighbour.Process.Kill(); _ = neighbour.Wait() }()
	_, err = out.Read(make([]byte, 16))
	kubelettest.Must(t, err)
	there, err := os.Open("/proc/" + strconv.Itoa(neighbour.Process.Pid) + "/ns/mnt")
	kubelettest.Must(t, err)
	defer there.Close()

	mounted := func(namespace *os.File) (seen bool) {
		kubelettest.Must(t, mount.Within(namespace, func() error {
			mounts, err := mount.Table()
			for _, m := range mounts {
				seen = seen || m.Path == "/mnt"
			}
			return err
		}))
		return seen
	}
	if !mounted(there) || mounted(here) || mounted(nil) {
		t.Errorf("mounted there %t, here %t, here by itself %t", mounted(there), mounted(here), mounted(nil))
	}
	var output strings.Builder
	cat := exec.Command("grep", "-c", " /mnt ", "/proc/self/mounts")
	cat.Stdout = &output
	kubelettest.Must(t, mount.Within(there, cat.Start), cat.Wait())
	if strings.TrimSpace(output.String()) != "1" {
		t.Errorf("the program sees %s such mounts", output.String())
	}
}
