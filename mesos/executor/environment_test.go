package executor

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// recorded is what a real agent 1.11.1 gave an executor.
var recorded = map[string]string{
	"MESOS_AGENT_ENDPOINT":                 "127.0.0.11:5051",
	"MESOS_CHECKPOINT":                     "1",
	"MESOS_DIRECTORY":                      "/var/lib/mesos-1/slaves/S0/frameworks/F0/executors/e1/runs/9111c558-a65e-4cc7-ad2b-3e8740213946",
	"MESOS_EXECUTOR_ID":                    "e1",
	"MESOS_EXECUTOR_SHUTDOWN_GRACE_PERIOD": "5secs",
	"MESOS_FRAMEWORK_ID":                   "F0",
	"MESOS_RECOVERY_TIMEOUT":               "15mins",
	"MESOS_SANDBOX":                        "/var/lib/mesos-1/slaves/S0/frameworks/F0/executors/e1/runs/9111c558-a65e-4cc7-ad2b-3e8740213946",
	"MESOS_SLAVE_ID":                       "S0",
	"MESOS_SUBSCRIPTION_BACKOFF_MAX":       "2secs",
}

func TestEnvironmentOfARealAgent(t *testing.T) {
	for name, value := range recorded {
		t.Setenv(name, value)
	}
	t.Setenv("MESOS_EXECUTOR_AUTHENTICATION_TOKEN", "jwt")
	got, err := FromEnvironment()
	if err != nil {
		t.Fatal(err)
	}
	want := Environment{
		Config: Config{
			Identity:   Identity{FrameworkID: "F0", ExecutorID: "e1", AgentID: "S0"},
			Agent:      Endpoint{Address: "127.0.0.11:5051", Token: "jwt"},
			Checkpoint: true, RecoveryTimeout: 15 * time.Minute, Retry: 500 * time.Millisecond, ShutdownGrace: 5 * time.Second,
		},
		Sandbox:     recorded["MESOS_SANDBOX"],
		ContainerID: "9111c558-a65e-4cc7-ad2b-3e8740213946",
	}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(Config{}, "Log")); diff != "" {
		t.Errorf("environment (-want +got):\n%s", diff)
	}
}

func TestEnvironmentOutsideOfMesosIsAClearError(t *testing.T) {
	for name := range recorded {
		t.Setenv(name, "")
	}
	if _, err := FromEnvironment(); err == nil {
		t.Error("no error")
	}
}

func TestTLSFollowsTheAgentsSettings(t *testing.T) {
	tests := map[string]struct {
		env            map[string]string
		enabled, check bool
	}{
		"plain":               {},
		"TLS, checks nothing": {env: map[string]string{"LIBPROCESS_SSL_ENABLED": "1"}, enabled: true},
		"TLS, checks servers": {env: map[string]string{"LIBPROCESS_SSL_ENABLED": "true", "LIBPROCESS_SSL_VERIFY_SERVER_CERT": "true"}, enabled: true, check: true},
		"TLS under old names": {env: map[string]string{"SSL_ENABLED": "true", "SSL_VERIFY_CERT": "1"}, enabled: true, check: true},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			c, err := agentTLS(func(name string) string { return tc.env[name] })
			if err != nil {
				t.Fatal(err)
			}
			if (c != nil) != tc.enabled || c != nil && c.InsecureSkipVerify == tc.check {
				t.Errorf("TLS configuration is %+v", c)
			}
		})
	}
}
