package mesostest

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// sandboxFile reads a file of the only container of that executor.
func sandboxFile(t *testing.T, a *Agent, executorID, name string) string {
	t.Helper()
	pattern := filepath.Join(a.WorkDir(), "slaves", a.ID(), "frameworks", "*", "executors", executorID, "runs", "latest", name)
	found, err := filepath.Glob(pattern)
	if err != nil || len(found) != 1 {
		t.Fatalf("found %v, %v for %s", found, err, pattern)
	}
	raw, err := os.ReadFile(found[0])
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

func TestCommandTasks(t *testing.T) {
	m := startMaster(t, MasterOptions{})
	a := startAgent(t, m, AgentOptions{})
	for name, test := range map[string]struct {
		command     string
		kill        bool
		states      []string
		lastMessage string
	}{
		"a command that succeeds is finished": {
			command:     "exit 0",
			states:      []string{"TASK_STARTING", "TASK_RUNNING", "TASK_FINISHED"},
			lastMessage: "Command exited with status 0",
		},
		"a command that fails has failed": {
			command:     "exit 3",
			states:      []string{"TASK_STARTING", "TASK_RUNNING", "TASK_FAILED"},
			lastMessage: "Command exited with status 3",
		},
		"a command that is killed by others has failed": {
			command:     "kill -KILL $$",
			states:      []string{"TASK_STARTING", "TASK_RUNNING", "TASK_FAILED"},
			lastMessage: "Command terminated with signal Killed",
		},
		"a killed task gets SIGTERM, with all of its processes": {
			command:     "sleep 1000",
			kill:        true,
			states:      []string{"TASK_STARTING", "TASK_RUNNING", "TASK_KILLED"},
			lastMessage: "Command terminated with signal Terminated",
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := subscribeScheduler(t, m, frameworkInfo("a"))
			o := s.offerOf(a)
			s.launch(o, 0, commandTask(o, "t", test.command))
			n := len(test.states)
			s.wantStates(test.states[:n-1]...)
			if test.kill {
				s.kill("t")
			}
			last := s.wantStates(test.states[n-1])
			if last["message"] != test.lastMessage {
				t.Errorf("got message %q, want %q", last["message"], test.lastMessage)
			}
			s.call("TEARDOWN", nil)
			eventually(t, "no container is left", func() bool { return a.Containers() == 0 })
		})
	}
}

func TestKillPolicyGivesCommandsTheirGrace(t *testing.T) {
	m := startMaster(t, MasterOptions{})
	a := startAgent(t, m, AgentOptions{})
	s := subscribeScheduler(t, m, frameworkInfo("a"))
	o := s.offerOf(a)
	task := commandTask(o, "t", "trap '' TERM; echo ready; while :; do sleep 0.1; done")
	task["kill_policy"] = object{"grace_period": object{"nanoseconds": 200 * time.Millisecond}}
	s.launch(o, 0, task)
	s.wantStates("TASK_STARTING", "TASK_RUNNING")
	eventually(t, "the command is ready", func() bool { return sandboxFile(t, a, "t", "stdout") != "" })
	start := time.Now()
	s.kill("t")
	last := s.wantStates("TASK_KILLED")
	if took := time.Since(start); took < 200*time.Millisecond || took > 2*time.Second {
		t.Errorf("killed after %s", took)
	}
	if last["message"] != "Command terminated with signal Killed" {
		t.Errorf("got %v", last)
	}
}

func TestFetcher(t *testing.T) {
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "#!/bin/sh\necho from %s\n", r.URL.Path)
	}))
	defer web.Close()
	local := filepath.Join(t.TempDir(), "local.sh")
	if err := os.WriteFile(local, []byte("#!/bin/sh\necho from a file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	m := startMaster(t, MasterOptions{})
	a := startAgent(t, m, AgentOptions{})
	s := subscribeScheduler(t, m, frameworkInfo("a"))
	for name, test := range map[string]struct {
		uris    []object
		command string
		states  []string
		stdout  string
	}{
		"executables over http and from files can be run": {
			uris: []object{
				{"value": web.URL + "/tool", "executable": true},
				{"value": "file://" + local, "executable": true},
			},
			command: "./tool; ./local.sh",
			states:  []string{"TASK_STARTING", "TASK_RUNNING", "TASK_FINISHED"},
			stdout:  "from /tool\nfrom a file\n",
		},
		"plain files cannot be run, and may have another name": {
			uris:    []object{{"value": web.URL + "/tool", "output_file": "sub/other"}},
			command: "test ! -x sub/other && echo $MESOS_SANDBOX/sub/other | xargs cat | tail -1",
			states:  []string{"TASK_STARTING", "TASK_RUNNING", "TASK_FINISHED"},
			stdout:  "echo from /tool\n",
		},
		"what cannot be fetched fails the task": {
			uris:   []object{{"value": web.URL + "x/nothing"}},
			states: []string{"TASK_FAILED"},
		},
		"nothing is written outside of the sandbox": {
			uris:   []object{{"value": web.URL + "/tool", "output_file": "../tool"}},
			states: []string{"TASK_FAILED"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			o := s.offerOf(a)
			id := strings.ReplaceAll(t.Name()[len("TestFetcher/"):], " ", "_")
			task := commandTask(o, id, test.command)
			task["command"].(object)["uris"] = test.uris
			s.launch(o, 0, task)
			last := s.wantStates(test.states...)
			if last["state"] == "TASK_FAILED" {
				if last["reason"] != "REASON_CONTAINER_LAUNCH_FAILED" {
					t.Errorf("got %v", last)
				}
				return
			}
			if diff := cmp.Diff(test.stdout, sandboxFile(t, a, id, "stdout")); diff != "" {
				t.Errorf("stdout (-want +got):\n%s", diff)
			}
		})
	}
}

func TestExecutorProcess(t *testing.T) {
	m := startMaster(t, MasterOptions{})
	a := startAgent(t, m, AgentOptions{
		ExecutorShutdownGracePeriod: 10 * time.Second,
		ExecutorRegistrationTimeout: 10 * time.Second,
	})
	s := subscribeScheduler(t, m, frameworkInfo("a"))

	t.Run("runs, is killed, and exits at SHUTDOWN", func(t *testing.T) {
		o := s.offerOf(a)
		s.launch(o, 0, selfTask(t, o, "good", "good"))
		running := s.wantStates("TASK_RUNNING")
		if pid, _ := fieldAt(running, "container_status", "executor_pid").(float64); pid <= 0 {
			t.Errorf("no executor_pid in %v", running)
		}
		s.kill("good")
		s.wantStates("TASK_KILLED")
		s.call("SHUTDOWN", object{"shutdown": object{"executor_id": value("good"), "agent_id": value(a.ID())}})
		failure := s.next("FAILURE")
		if got := fieldAt(failure, "failure", "status"); got != 0.0 {
			t.Errorf("exited with %v, want 0", got)
		}
	})
	shortGrace := func(task object) object {
		task["executor"].(object)["shutdown_grace_period"] = object{"nanoseconds": 200 * time.Millisecond}
		return task
	}
	t.Run("is destroyed when its grace is over", func(t *testing.T) {
		o := s.offerOf(a)
		s.launch(o, 0, shortGrace(selfTask(t, o, "stubborn", "stubborn")))
		s.wantStates("TASK_RUNNING")
		s.call("SHUTDOWN", object{"shutdown": object{"executor_id": value("stubborn"), "agent_id": value(a.ID())}})
		failure := s.next("FAILURE")
		if got := fieldAt(failure, "failure", "status"); got != 9.0 {
			t.Errorf("exited with %v, want 9", got)
		}
		s.wantStates("TASK_FAILED")
	})
	t.Run("all are gone after TEARDOWN", func(t *testing.T) {
		o := s.offerOf(a)
		s.launch(o, 0, shortGrace(selfTask(t, o, "torn", "stubborn")))
		s.wantStates("TASK_RUNNING")
		s.call("TEARDOWN", nil)
		eventually(t, "no container is left", func() bool { return a.Containers() == 0 })
	})
}

func TestExecutorThatNeverSubscribes(t *testing.T) {
	m := startMaster(t, MasterOptions{})
	a := startAgent(t, m, AgentOptions{ExecutorRegistrationTimeout: 100 * time.Millisecond})
	s := subscribeScheduler(t, m, frameworkInfo("a"))
	o := s.offerOf(a)
	s.launch(o, 0, executorTask(o, "t", "sleep 1000"))
	last := s.wantStates("TASK_FAILED")
	if last["reason"] != "REASON_EXECUTOR_REGISTRATION_TIMEOUT" || last["message"] != "Executor did not register within 100ms" {
		t.Errorf("got %v", last)
	}
}
