package main

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	mesos "github.com/mesos/mesos-go/api/v1/lib"
	"github.com/mesos/mesos-go/api/v1/lib/scheduler/calls"

	"github.com/k8sm/k8sm/mesos/kubelet"
	"github.com/k8sm/k8sm/mesos/mesostest"
)

// upIn is a kubelet that makes the file up in the folder, and runs on.
func upIn(folder string) string {
	return "#!/bin/sh\ntrap 'exit 0' TERM\necho $$ >> " + folder + "/up\nwhile :; do sleep 0.01; done\n"
}

// awaitKubelet waits until a kubelet of upIn runs, and returns who did so far.
func awaitKubelet(t *testing.T, folder string) string {
	t.Helper()
	for range 500 {
		if pids, err := os.ReadFile(folder + "/up"); err == nil && len(pids) > 0 {
			return string(pids)
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Fatal("no kubelet was started")
	return ""
}

func TestNodeOutlivesItsAgent(t *testing.T) {
	agent, f := cluster(t, mesostest.AgentOptions{ExecutorReregistrationTimeout: time.Second})
	stateDir := filepath.Join(t.TempDir(), "state")
	f.launch(message(t, stateDir, upIn(stateDir)))
	f.status()
	before := awaitKubelet(t, stateDir)
	agent.Restart(1500 * time.Millisecond)
	time.Sleep(4 * time.Second)
	if after := awaitKubelet(t, stateDir); after != before {
		t.Errorf("kubelets %q, before the restart %q", after, before)
	}
	f.call(calls.Kill("n1.1", f.agent.Value))
	if s := f.status(); s.GetState() != mesos.TASK_KILLED {
		t.Errorf("got %s: %s", s.GetState(), s.GetMessage())
	}
	awaitNoContainer(t, agent)
}

func TestSlowArtifactIsNoLateRegistration(t *testing.T) {
	agent, f := cluster(t, mesostest.AgentOptions{ExecutorRegistrationTimeout: 2 * time.Second})
	stateDir := filepath.Join(t.TempDir(), "state")
	script := upIn(stateDir)
	slow := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-time.After(4 * time.Second):
			_, _ = w.Write([]byte(script))
		case <-r.Context().Done():
		}
	}))
	defer slow.Close()
	f.launch(messageWith(t, stateDir, script, func(l *kubelet.Launch) { l.Artifacts[0].URI = slow.URL + "/kubelet" }))
	if s := f.status(); s.GetState() != mesos.TASK_STARTING {
		t.Fatalf("got %s: %s", s.GetState(), s.GetMessage())
	}
	awaitKubelet(t, stateDir)
	f.call(calls.Kill("n1.1", f.agent.Value))
	if s := f.status(); s.GetState() != mesos.TASK_KILLED {
		t.Errorf("got %s: %s", s.GetState(), s.GetMessage())
	}
	awaitNoContainer(t, agent)
}

func TestDrainedAgentHasNoExecutorLeft(t *testing.T) {
	agent, f := cluster(t, mesostest.AgentOptions{})
	stateDir := filepath.Join(t.TempDir(), "state")
	f.launch(message(t, stateDir, upIn(stateDir)))
	f.status()
	awaitKubelet(t, stateDir)
	agent.Drain(5*time.Second, false)
	if s := f.status(); s.GetState() != mesos.TASK_KILLED || s.GetReason() != mesos.REASON_AGENT_DRAINING {
		t.Errorf("got %s, %s: %s", s.GetState(), s.GetReason(), s.GetMessage())
	}
	awaitNoContainer(t, agent)
	if !agent.Drained() {
		t.Error("the agent is not drained")
	}
}
