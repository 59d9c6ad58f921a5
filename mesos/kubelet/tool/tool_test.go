package tool

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/k8sm/k8sm/mesos/kubelet/kubelettest"
)

// onlyFolder makes a new folder the only one in which programs are found.
func onlyFolder(t *testing.T, scripts map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, script := range scripts {
		kubelettest.Must(t, os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"+script+"\n"), 0o755))
	}
	folders := SystemFolders
	SystemFolders = nil
	t.Cleanup(func() { SystemFolders = folders })
	t.Setenv("PATH", dir)
	return dir
}

func TestPathHasTheSystemFolders(t *testing.T) {
	const system = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
	for name, tc := range map[string]struct{ inherited, want string }{
		"nothing is inherited":              {"", system},
		"the agent's flag names two":        {"/bin:/usr/bin", "/bin:/usr/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/sbin"},
		"a folder of the agent comes first": {"/opt/mesos/bin", "/opt/mesos/bin:" + system},
		"elements that mean any folder":     {":.:bin:/bin:", "/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin"},
		"a folder twice":                    {"/a:/a", "/a:" + system},
	} {
		if got := Path(tc.inherited); got != tc.want {
			t.Errorf("%s: %s, want %s", name, got, tc.want)
		}
	}
}

func TestToolsAreFoundWhereTheAgentsPathDoesNotLead(t *testing.T) {
	dir := t.TempDir()
	kubelettest.Must(t, os.WriteFile(filepath.Join(dir, "iptables"), []byte("#!/bin/sh\n"), 0o755))
	onlyFolder(t, nil)
	if Has("iptables") {
		t.Fatal("it is found before it is there")
	}
	SystemFolders = []string{dir}
	if got := Find("iptables"); got != filepath.Join(dir, "iptables") {
		t.Errorf("found at %q", got)
	}
}

func TestRequireNamesWhatIsMissing(t *testing.T) {
	onlyFolder(t, map[string]string{"nft": "", "mount": ""})
	kubelettest.Must(t, Require("mount", "iptables|nft"))
	err := Require("mount", "umount", "iptables|ipfw")
	if err == nil {
		t.Fatal("nothing is missing")
	}
	for _, want := range []string{"no program umount, and none iptables or ipfw is in /", "--executor_environment_variables"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in: %v", want, err)
		}
	}
}

func TestFindPassesByWhatCannotBeRun(t *testing.T) {
	dir := onlyFolder(t, nil)
	kubelettest.Must(t, os.WriteFile(filepath.Join(dir, "nft"), nil, 0o644), os.Mkdir(filepath.Join(dir, "ip"), 0o755))
	if Has("nft") || Has("ip") {
		t.Error("a file without permission, or a folder, is taken for a program")
	}
}

func TestToolsRunWithoutTheAgentsLibraries(t *testing.T) {
	onlyFolder(t, map[string]string{"show": `PATH=/usr/bin:/bin; cat; echo "$1 [$LD_LIBRARY_PATH] [$LD_PRELOAD] [$MESOS_X]"`})
	for _, variable := range []string{"LD_LIBRARY_PATH", "LD_PRELOAD", "MESOS_X"} {
		t.Setenv(variable, "/usr/local/lib")
	}
	out, err := Run(t.Context(), "input ", "show", "argument")
	if err != nil || out != "input argument [] [] []\n" {
		t.Errorf("output %q, %v", out, err)
	}
}

func TestErrorOfAToolHasItsReason(t *testing.T) {
	onlyFolder(t, map[string]string{"fail": "echo no such chain >&2; echo more >&2; exit 3"})
	if _, err := Run(t.Context(), "", "fail"); err == nil || !strings.Contains(err.Error(), "running fail: exit status 3: no such chain") || strings.Contains(err.Error(), "more") {
		t.Errorf("error is %v", err)
	}
	if _, err := Run(t.Context(), "", "none"); !errors.Is(err, ErrMissing) {
		t.Errorf("error is %v", err)
	}
}
