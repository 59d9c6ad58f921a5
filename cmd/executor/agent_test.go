package main

import (
	"crypto/tls"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	mesos "github.com/mesos/mesos-go/api/v1/lib"
	"github.com/mesos/mesos-go/api/v1/lib/scheduler/calls"

	"github.com/k8sm/k8sm/mesos/mesostest"
	"github.com/k8sm/k8sm/mesos/nodeapi"
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

func TestSlowArtifactDoesNotDelayRegistration(t *testing.T) {
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
	f.launch(messageWith(t, stateDir, script, func(l *nodeapi.LaunchSpec) { l.Artifacts[0].URI = slow.URL + "/kubelet" }))
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

func TestExecutorEndsWhenItsAgentDrains(t *testing.T) {
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

// An agent as libprocess makes it by default: TLS 1.2, and keys exchanged by RSA alone.
func TestAgentThatServesOverTLS(t *testing.T) {
	identity := httptest.NewTLSServer(nil) // for its certificate
	identity.Close()
	authority := filepath.Join(t.TempDir(), "ca.pem")
	raw := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: identity.Certificate().Raw})
	if err := os.WriteFile(authority, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	agent, f := cluster(t, mesostest.AgentOptions{
		TLS: &tls.Config{
			Certificates: identity.TLS.Certificates,
			MaxVersion:   tls.VersionTLS12,
			CipherSuites: []uint16{tls.TLS_RSA_WITH_AES_128_CBC_SHA},
		},
		ExecutorEnvironment: []string{
			"LIBPROCESS_SSL_ENABLED=1", "LIBPROCESS_SSL_VERIFY_SERVER_CERT=1", "LIBPROCESS_SSL_CA_FILE=" + authority,
		},
		ExecutorKey: []byte("key"),
	})
	stateDir := filepath.Join(t.TempDir(), "state")
	f.launch(message(t, stateDir, upIn(stateDir)))
	if s := f.status(); s.GetState() != mesos.TASK_STARTING {
		t.Fatalf("got %s: %s", s.GetState(), s.GetMessage())
	}
	f.call(calls.Kill("n1.1", f.agent.Value))
	if s := f.status(); s.GetState() != mesos.TASK_KILLED {
		t.Errorf("got %s: %s", s.GetState(), s.GetMessage())
	}
	awaitNoContainer(t, agent)
}
