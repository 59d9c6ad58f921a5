package kubelet

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/k8sm/k8sm/mesos/kubelet/apiserver/apiservertest"
	"github.com/k8sm/k8sm/mesos/kubelet/machine"
	"github.com/k8sm/k8sm/mesos/nodeapi"
)

func TestPortThatIsTaken(t *testing.T) {
	other, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := other.Addr().(*net.TCPAddr).Port
	l := launchIn(t, apiservertest.New(t, time.Now, 0), goodKubelet)
	l.StreamPort = port
	message, err := l.Encode()
	if err != nil {
		t.Fatal(err)
	}
	err = testNode(t).Run(message, neverReady(t))
	if err == nil || !strings.Contains(err.Error(), "which Mesos offered for containerd, is taken") || errors.Is(err, nodeapi.ErrInvalid) {
		t.Errorf("error is %v", err)
	}
	if err := other.Close(); err != nil {
		t.Fatal(err)
	}
	if err := machine.CheckPort("containerd", "127.0.0.1", port); err != nil {
		t.Errorf("free again: %v", err)
	}
}

// The reports of a launch name what it waits for, with the condition of the Node.
func TestReasonWhyANodeIsNotReadyIsReported(t *testing.T) {
	tests := map[string]struct {
		kubelet string
		want    string
	}{
		"no certificate": {"trap 'exit 0' TERM; while :; do sleep 0.01; done", "the kubelet has no certificate yet"},
		"not ready yet":  {goodKubelet, "the Node is not Ready: no network"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			n := testNode(t)
			n.reportEvery = 0
			message, err := launchIn(t, apiservertest.New(t, time.Now, 1<<30), tc.kubelet).Encode()
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			go func() {
				<-ctx.Done()
				n.Stop(0)
			}()
			reported := false
			err = n.Run(message, func(r Report) {
				if strings.Contains(r.Message, tc.want) && !r.Ready {
					reported = true
					cancel()
				}
			})
			if err != nil || !reported {
				t.Errorf("reported: %t, ended with %v", reported, err)
			}
		})
	}
}
