package mesostest

import (
	"strings"
	"testing"
	"time"
)

func TestMesosDuration(t *testing.T) {
	for want, d := range map[string]time.Duration{
		"15mins":  15 * time.Minute,
		"5secs":   5 * time.Second,
		"1.5secs": 1500 * time.Millisecond,
		"1weeks":  7 * 24 * time.Hour,
		"20ms":    20 * time.Millisecond,
		"0ns":     0,
	} {
		if got := mesosDuration(d); got != want {
			t.Errorf("%s: got %s, want %s", d, got, want)
		}
	}
}

// environmentOf starts an executor, and returns its variables.
func environmentOf(t *testing.T, info object, o AgentOptions, command object) map[string]string {
	launcher := newScriptedLauncher()
	o.Launcher = launcher
	env := map[string]string{}
	inVirtualTime(t, info, o, func(b *virtualCluster) {
		offer := b.offerOf(b.agent)
		task := executorTask(offer, "e", "executor")
		task["executor"].(object)["command"] = command
		b.launch(offer, 0, task)
		time.Sleep(time.Second)
		for _, v := range launcher.process("e").container.Env {
			name, content, _ := strings.Cut(v, "=")
			env[name] = strings.NewReplacer(b.agent.ID(), "AGENT", b.frameworkID, "FRAMEWORK").Replace(content)
		}
	})
	return env
}

func TestEnvironmentOfExecutors(t *testing.T) {
	plain := object{"value": "executor"}
	withoutCheckpoint := frameworkInfo("a")
	withoutCheckpoint["checkpoint"] = false
	for name, test := range map[string]struct {
		info    object
		options AgentOptions
		command object
		want    map[string]string // empty values are of variables that are not there
	}{
		"of a framework with checkpoint": {
			info: frameworkInfo("a"), command: plain,
			want: map[string]string{
				"MESOS_AGENT_ENDPOINT": "127.0.0.11:5051", "MESOS_CHECKPOINT": "1", "MESOS_EXECUTOR_ID": "e",
				"MESOS_FRAMEWORK_ID": "FRAMEWORK", "MESOS_SLAVE_ID": "AGENT", "MESOS_SLAVE_PID": "slave(1)@127.0.0.11:5051",
				"MESOS_EXECUTOR_SHUTDOWN_GRACE_PERIOD": "5secs", "MESOS_RECOVERY_TIMEOUT": "15mins",
				"MESOS_SUBSCRIPTION_BACKOFF_MAX": "2secs", "MESOS_EXECUTOR_AUTHENTICATION_TOKEN": "",
			},
		},
		"of a framework without": {
			info: withoutCheckpoint, command: plain,
			want: map[string]string{"MESOS_CHECKPOINT": "0", "MESOS_RECOVERY_TIMEOUT": "", "MESOS_SUBSCRIPTION_BACKOFF_MAX": ""},
		},
		"with the options of the agent": {
			info: frameworkInfo("a"), command: plain,
			options: AgentOptions{
				ExecutorShutdownGracePeriod: 1500 * time.Millisecond, RecoveryTimeout: time.Hour,
				ExecutorReregistrationTimeout: 10 * time.Second, ExecutorEnvironment: []string{"LIBPROCESS_SSL_ENABLED=1"},
			},
			want: map[string]string{
				"MESOS_EXECUTOR_SHUTDOWN_GRACE_PERIOD": "1.5secs", "MESOS_RECOVERY_TIMEOUT": "1hrs",
				"MESOS_SUBSCRIPTION_BACKOFF_MAX": "10secs", "LIBPROCESS_SSL_ENABLED": "1",
			},
		},
		"with variables of its own, which go last": {
			info:    frameworkInfo("a"),
			options: AgentOptions{ExecutorEnvironment: []string{"GREETING=from the agent"}},
			command: object{"value": "executor", "environment": object{"variables": []object{
				{"name": "GREETING", "value": "from the command"}, {"name": "EMPTY", "value": ""},
			}}},
			want: map[string]string{"GREETING": "from the command", "EMPTY": ""},
		},
	} {
		t.Run(name, func(t *testing.T) {
			env := environmentOf(t, test.info, test.options, test.command)
			for name, want := range test.want {
				if got := env[name]; got != want {
					t.Errorf("%s: got %q, want %q", name, got, want)
				}
			}
			if env["MESOS_SANDBOX"] == "" || env["MESOS_SANDBOX"] != env["MESOS_DIRECTORY"] {
				t.Errorf("the sandbox is %q, the directory %q", env["MESOS_SANDBOX"], env["MESOS_DIRECTORY"])
			}
		})
	}
}
