package identity

import (
	"testing"

	"k8s.io/client-go/tools/events"

	"github.com/k8sm/k8sm/api/v1alpha1"
)

func TestEventsOfDecisions(t *testing.T) {
	approval := Decision{Approve, v1alpha1.ReasonMatchesRecord, "The request matches the record of MesosNode " + nodeName + "."}
	denial := Decision{Deny, v1alpha1.ReasonTokenExpired, "the bootstrap token expired at 12:15:00 UTC"}
	tests := map[string]struct {
		decision Decision
		orphan   bool // there is no MesosNode
		want     string
	}{
		"an approval, on the MesosNode": {
			decision: approval,
			want:     "Normal CertificateApproved Request node-csr-1 to kubernetes.io/kube-apiserver-client-kubelet: approved.",
		},
		"a denial, on the MesosNode": {
			decision: denial,
			want:     "Warning CertificateDenied Request node-csr-1 to kubernetes.io/kube-apiserver-client-kubelet: TokenExpired, the bootstrap token expired at 12:15:00 UTC.",
		},
		"a denial without a MesosNode, on the request": {
			decision: denial, orphan: true,
			want: "Warning CertificateDenied TokenExpired: the bootstrap token expired at 12:15:00 UTC",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			recorder := events.NewFakeRecorder(1)
			a := newFirstRequest()
			request := Request{CSR: a.signed(t), Node: a.node}
			if test.orphan {
				request.Node = nil
			}
			NewReconciler(Options{Recorder: recorder}).recordDecisionEvent(request, test.decision)
			if got := <-recorder.Events; got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
		})
	}
}
