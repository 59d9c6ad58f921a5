package container_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	mesos "github.com/mesos/mesos-go/api/v1/lib"

	"github.com/k8sm/k8sm/mesos/mesostest/internal/container"
)

func shell(command string) mesos.CommandInfo { return mesos.CommandInfo{Value: &command} }

func program(name string, arguments ...string) mesos.CommandInfo {
	no := false
	return mesos.CommandInfo{Value: &name, Shell: &no, Arguments: arguments}
}

func launch(t *testing.T, l container.Launcher, spec container.Spec) *container.Process {
	t.Helper()
	p, err := l.Launch(t.Context(), spec)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Destroy() })
	return p
}

func spec(t *testing.T, command mesos.CommandInfo) container.Spec {
	return container.Spec{ID: "c", Command: command, Sandbox: filepath.Join(t.TempDir(), "runs", "c")}
}

func read(t *testing.T, path string) string {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

func TestStatusOfCommands(t *testing.T) {
	for name, test := range map[string]struct {
		command mesos.CommandInfo
		status  int
		stderr  string
	}{
		"success":                     {shell("exit 0"), 0, ""},
		"failure":                     {shell("exit 3"), 3 << 8, ""},
		"a signal":                    {shell("kill -KILL $$"), 9, ""},
		"a program":                   {program("true"), 0, ""},
		"a program that fails":        {program("false"), 1 << 8, ""},
		"a program with arguments":    {program("sh", "sh", "-c", "exit 5"), 5 << 8, ""},
		"a program that is not there": {program("no-such-program"), 1 << 8, "no-such-program"},
		"a command that is not there": {shell("no-such-command"), 127 << 8, "no-such-command"},
	} {
		t.Run(name, func(t *testing.T) {
			s := spec(t, test.command)
			p := launch(t, container.Launcher{}, s)
			for range 2 { // a second wait gets the same answer
				if got := p.Wait(); got != test.status {
					t.Errorf("got status %d, want %d", got, test.status)
				}
			}
			if got := read(t, filepath.Join(s.Sandbox, "stderr")); !strings.Contains(got, test.stderr) {
				t.Errorf("stderr is %q", got)
			}
		})
	}
}

func TestCommandsRunInTheirSandbox(t *testing.T) {
	s := spec(t, shell("pwd; echo $GREETING; echo $PATH; echo failed >&2; echo made > made"))
	s.Env = []string{"GREETING=hello"}
	launch(t, container.Launcher{}, s).Wait()
	sandbox, err := filepath.EvalSymlinks(s.Sandbox)
	if err != nil {
		t.Fatal(err)
	}
	want := sandbox + "\nhello\n/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n"
	if got := read(t, filepath.Join(s.Sandbox, "stdout")); got != want {
		t.Errorf("stdout is %q, want %q", got, want)
	}
	if got := read(t, filepath.Join(s.Sandbox, "stderr")); got != "failed\n" {
		t.Errorf("stderr is %q", got)
	}
	if got := read(t, filepath.Join(filepath.Dir(s.Sandbox), "latest", "made")); got != "made\n" {
		t.Errorf("the link to the latest run leads to %q", got)
	}
}

func TestPathOfCommands(t *testing.T) {
	for name, test := range map[string]struct {
		launcher container.Launcher
		env      []string
		want     string
	}{
		"the launcher's":    {container.Launcher{Path: "/bin:/opt/bin"}, nil, "/bin:/opt/bin"},
		"the command's own": {container.Launcher{Path: "/opt/bin"}, []string{"PATH=/bin"}, "/bin"},
	} {
		t.Run(name, func(t *testing.T) {
			s := spec(t, shell("echo $PATH"))
			s.Env = test.env
			launch(t, test.launcher, s).Wait()
			if got := read(t, filepath.Join(s.Sandbox, "stdout")); got != test.want+"\n" {
				t.Errorf("got %s, want %s", got, test.want)
			}
		})
	}
}

func TestLatestIsTheLastRun(t *testing.T) {
	runs := filepath.Join(t.TempDir(), "runs")
	for _, id := range []string{"first", "second"} {
		launch(t, container.Launcher{}, container.Spec{ID: id, Command: shell("exit 0"), Sandbox: filepath.Join(runs, id)}).Wait()
	}
	if got, err := os.Readlink(filepath.Join(runs, "latest")); err != nil || filepath.Base(got) != "second" {
		t.Errorf("got %s, %v", got, err)
	}
}

func TestTerminateReachesAllProcesses(t *testing.T) {
	s := spec(t, shell("sleep 1000 & echo $! > child; wait"))
	p := launch(t, container.Launcher{}, s)
	child := awaitFile(t, filepath.Join(s.Sandbox, "child"))
	p.Terminate()
	if got := p.Wait(); got != 15 {
		t.Errorf("got status %d, want that of SIGTERM", got)
	}
	awaitGone(t, child)
}

func TestDestroyEndsProcessesThatIgnoreSIGTERM(t *testing.T) {
	s := spec(t, shell("trap '' TERM; echo $$ > ready; while :; do sleep 0.05; done"))
	p := launch(t, container.Launcher{}, s)
	pid := awaitFile(t, filepath.Join(s.Sandbox, "ready"))
	p.Terminate()
	if err := p.Destroy(); err != nil {
		t.Fatal(err)
	}
	if got := p.Wait(); got != 9 {
		t.Errorf("got status %d, want that of SIGKILL", got)
	}
	awaitGone(t, pid)
	if err := p.Destroy(); err != nil {
		t.Errorf("the second time: %v", err)
	}
}

func TestChildrenEndWithTheCommand(t *testing.T) {
	s := spec(t, shell("sleep 1000 > /dev/null 2>&1 & echo $! > child; exit 0"))
	p := launch(t, container.Launcher{}, s)
	child := awaitFile(t, filepath.Join(s.Sandbox, "child"))
	if got := p.Wait(); got != 0 {
		t.Errorf("got status %d", got)
	}
	awaitGone(t, child)
}

func TestContainersWithoutACgroupHaveNoMemoryLimit(t *testing.T) {
	p := launch(t, container.Launcher{}, spec(t, shell("exit 0")))
	if got := p.AwaitMemoryLimit(); got != "" {
		t.Errorf("got %q", got)
	}
}

func TestLaunchesThatFail(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "missing")
	for name, test := range map[string]struct {
		change func(*container.Spec, *container.Launcher)
		want   string
	}{
		"a file that cannot be fetched": {
			func(s *container.Spec, _ *container.Launcher) {
				s.Command.URIs = []mesos.CommandInfo_URI{{Value: missing}}
			},
			"Failed to fetch all URIs for container 'c': exited with status 1",
		},
		"a sandbox that cannot be made": {
			func(s *container.Spec, _ *container.Launcher) { s.Sandbox = "/dev/null/sandbox" },
			"making sandbox: mkdir /dev/null: not a directory",
		},
		"a cgroup outside of its root": {
			func(_ *container.Spec, l *container.Launcher) { l.CgroupRoot = "../else" },
			`making cgroup: "../else" is no path below a hierarchy's root`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			s, l := spec(t, shell("exit 0")), container.Launcher{}
			test.change(&s, &l)
			_, err := l.Launch(t.Context(), s)
			if err == nil || err.Error() != test.want {
				t.Errorf("got %v, want %s", err, test.want)
			}
		})
	}
}

func TestFetchErrorsAreInTheSandbox(t *testing.T) {
	s := spec(t, shell("exit 0"))
	s.Command.URIs = []mesos.CommandInfo_URI{{Value: "gopher://example/x"}}
	if _, err := (container.Launcher{}).Launch(t.Context(), s); err == nil {
		t.Fatal("it was launched")
	}
	const want = "fetching gopher://example/x: scheme \"gopher\" is not supported\n"
	if got := read(t, filepath.Join(s.Sandbox, "stderr")); got != want {
		t.Errorf("stderr is %q, want %q", got, want)
	}
}

func TestCanceledLaunchRunsNothing(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	s := spec(t, shell("touch started"))
	if _, err := (container.Launcher{}).Launch(ctx, s); err == nil {
		t.Fatal("it was launched")
	}
	if _, err := os.Stat(filepath.Join(s.Sandbox, "started")); err == nil {
		t.Error("the command ran")
	}
}

// awaitFile waits for a file with content, and returns it without white space.
func awaitFile(t *testing.T, path string) string {
	t.Helper()
	content := ""
	await(t, path+" is there", func() bool {
		raw, _ := os.ReadFile(path)
		content = strings.TrimSpace(string(raw))
		return content != ""
	})
	return content
}

// awaitGone waits for the process to be no more, or a zombie that is not reaped.
func awaitGone(t *testing.T, pid string) {
	t.Helper()
	await(t, "process "+pid+" is gone", func() bool {
		raw, err := os.ReadFile("/proc/" + pid + "/stat")
		return err != nil || strings.Contains(string(raw), ") Z ")
	})
}

func await(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !done(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited too long until %s", what)
		}
	}
}

// A launch into what an earlier container left behind does not fail, and appends to its logs.
func TestSandboxThatExists(t *testing.T) {
	s := spec(t, shell("echo again"))
	if err := os.MkdirAll(s.Sandbox, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(s.Sandbox, "stdout"), []byte("first\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	launch(t, container.Launcher{}, s).Wait()
	if got := read(t, filepath.Join(s.Sandbox, "stdout")); got != "first\nagain\n" {
		t.Errorf("stdout is %q", got)
	}
}

// Nothing of the test's own environment reaches a container.
func TestEnvironmentIsTheContainersOwn(t *testing.T) {
	t.Setenv("SECRET_OF_THE_AGENT", "x")
	s := spec(t, program("env"))
	s.Env = []string{"A=1", "A=2", "EMPTY="}
	launch(t, container.Launcher{Path: "/bin:/usr/bin"}, s).Wait()
	got := read(t, filepath.Join(s.Sandbox, "stdout"))
	for line, want := range map[string]bool{"A=2": true, "A=1": false, "EMPTY=": true, "PATH=/bin:/usr/bin": true, "SECRET_OF_THE_AGENT=x": false} {
		if strings.Contains("\n"+got, "\n"+line+"\n") != want {
			t.Errorf("%s is there: %t, in:\n%s", line, !want, got)
		}
	}
}

// A stopped process takes SIGKILL only: Destroy ends it, also when several goroutines ask.
func TestDestroyEndsAStoppedProcess(t *testing.T) {
	s := spec(t, shell("echo $$ > ready; kill -STOP $$; echo continued"))
	p := launch(t, container.Launcher{}, s)
	pid := awaitFile(t, filepath.Join(s.Sandbox, "ready"))
	p.Terminate()
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			if err := p.Destroy(); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if got := p.Wait(); got != 9 {
		t.Errorf("got status %d, want that of SIGKILL", got)
	}
	awaitGone(t, pid)
}

func TestNamespaceThatIsMissing(t *testing.T) {
	s := spec(t, shell("touch started"))
	s.NetNS = filepath.Join(t.TempDir(), "missing")
	if _, err := (container.Launcher{}).Launch(t.Context(), s); err == nil || !strings.Contains(err.Error(), "starting command: opening network namespace") {
		t.Errorf("the error is %v", err)
	}
	if _, err := os.Stat(filepath.Join(s.Sandbox, "started")); err == nil {
		t.Error("the command ran outside of its namespace")
	}
}
