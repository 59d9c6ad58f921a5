package machine

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/k8sm/k8sm/mesos/kubelet/kubelettest"
)

func TestRead(t *testing.T) {
	m, err := Read(t.TempDir())
	kubelettest.Must(t, err)
	if m.CPUs < 1 || m.MemoryBytes < 1<<20 || m.DiskBytes < 1 || m.FreeBytes > m.DiskBytes || m.PIDs < 1 {
		t.Errorf("machine is %+v", m)
	}
	if _, err := Read("/no/such/folder"); err == nil || !strings.Contains(err.Error(), "size of disk") {
		t.Errorf("error is %v", err)
	}
}

func TestMaxPIDsIsTheLowestLimit(t *testing.T) {
	tests := map[string]struct {
		pidMax, threadsMax string
		want               int64
		wrong              string
	}{
		"few processes":               {"1024\n", "4096\n", 1024, ""},
		"few threads":                 {"4194304\n", "4096\n", 4096, ""},
		"a text that is not a number": {"many\n", "4096\n", 0, `"many"`},
		"a file that is absent":       {"", "4096\n", 0, "no such file"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			for file, content := range map[string]string{"pid_max": tc.pidMax, "threads-max": tc.threadsMax} {
				if content != "" {
					kubelettest.Must(t, os.WriteFile(filepath.Join(dir, file), []byte(content), 0o600))
				}
			}
			got, err := maxPIDs(dir)
			if got != tc.want || (err == nil) != (tc.wrong == "") || err != nil && !strings.Contains(err.Error(), tc.wrong) {
				t.Errorf("limit is %d, error %v", got, err)
			}
		})
	}
}

func TestHasCapability(t *testing.T) {
	tests := map[string]struct {
		status string
		want   bool
	}{
		"all":                         {"Name:\tx\nCapInh:\t0000000000000000\nCapEff:\t000001ffffffffff\n", true},
		"only this capability":        {"CapEff:\t0000000001000000\n", true},
		"all but this capability":     {"CapEff:\t000001fffeffffff\n", false},
		"permitted and not effective": {"CapPrm:\t000001ffffffffff\nCapEff:\t0000000000000000\n", false},
		"a malformed mask":            {"CapEff:\tall\n", false},
		"no such line":                {"Name:\tx\n", false},
		"an empty file":               {"", false},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if got := hasCapability([]byte(tc.status), unix.CAP_SYS_RESOURCE); got != tc.want {
				t.Errorf("has it: %t", got)
			}
		})
	}
}

func TestCheckExecutable(t *testing.T) {
	if err := CheckExecutable("/no/such/folder"); err == nil {
		t.Error("a folder that is not there is executable")
	}
	if !kubelettest.Isolated(t) {
		return
	}
	dir := t.TempDir()
	kubelettest.Must(t, unix.Mount("tmpfs", dir, "tmpfs", 0, ""), CheckExecutable(dir))
	defer func() { kubelettest.Must(t, unix.Unmount(dir, unix.MNT_DETACH)) }()
	kubelettest.Must(t, unix.Mount("", dir, "", unix.MS_REMOUNT|unix.MS_NOEXEC, ""))
	if err := CheckExecutable(dir); err == nil || !strings.Contains(err.Error(), dir+" is mounted noexec") {
		t.Errorf("error is %v", err)
	}
}

func TestHugePagesOfAllSizesAreCounted(t *testing.T) {
	dir := t.TempDir()
	for path, count := range map[string]string{"hugepages-2048kB": "1000\n", "hugepages-1048576kB": "2\n", "hugepages-64kB": "many\n", "something else": "5\n"} {
		kubelettest.Must(t, os.Mkdir(filepath.Join(dir, path), 0o755), os.WriteFile(filepath.Join(dir, path, "nr_hugepages"), []byte(count), 0o600))
	}
	kubelettest.Must(t, os.Mkdir(filepath.Join(dir, "hugepages-16kB"), 0o755))
	if got, want := hugePages(dir), int64(1000)<<21+int64(2)<<30; got != want {
		t.Errorf("%d bytes, want %d", got, want)
	}
	if got := hugePages("/no/such/folder"); got != 0 {
		t.Errorf("%d bytes on a kernel without huge pages", got)
	}
}

func TestStateFolderOfAnotherUserIsRefused(t *testing.T) {
	dir := t.TempDir()
	kubelettest.Must(t, os.Chmod(dir, 0o777), CloseToOthers(dir))
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o755 {
		t.Errorf("mode is %v, %v", info.Mode(), err)
	}
	if os.Geteuid() != 0 {
		t.Skip("needs root, to give a folder to another user")
	}
	kubelettest.Must(t, os.Chown(dir, 65534, 65534))
	if err := CloseToOthers(dir); err == nil || !strings.Contains(err.Error(), dir) || !strings.Contains(err.Error(), "belongs to user 65534") {
		t.Errorf("error is %v", err)
	}
	kubelettest.Must(t, os.Chown(dir, 0, 0), CloseToOthers(dir))
	if err := CloseToOthers(filepath.Join(dir, "none")); err == nil {
		t.Error("no error for a folder that is not there")
	}
}
