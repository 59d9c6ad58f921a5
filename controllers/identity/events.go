package identity

import (
	corev1 "k8s.io/api/core/v1"

	"github.com/k8sm/k8sm/api/v1alpha1"
)

// recordDecisionEvent records a decision on the MesosNode of the request, or on the request
// itself if there is no MesosNode.
func (r *Reconciler) recordDecisionEvent(request Request, decision Decision) {
	kind, reason, action := corev1.EventTypeNormal, v1alpha1.EventCSRApproved, "Approving"
	if decision.Outcome == Deny {
		kind, reason, action = corev1.EventTypeWarning, v1alpha1.EventCSRDenied, "Denying"
	}
	if request.Node == nil {
		r.Recorder.Eventf(request.CSR, nil, kind, reason, action, "%s: %s", decision.Reason, decision.Message)
		return
	}
	r.Recorder.Eventf(request.Node, request.CSR, kind, reason, action,
		"Request %s to %s: %s.", request.CSR.Name, request.CSR.Spec.SignerName, explain(decision))
}

func explain(decision Decision) string {
	if decision.Outcome == Approve {
		return "approved"
	}
	return decision.Reason + ", " + decision.Message
}

// recordSupersededEvent records that another approver let somebody have a certificate of the
// node who does not hold the last one.
func (r *Reconciler) recordSupersededEvent(request Request, last *v1alpha1.TaskCertificate) {
	r.Recorder.Eventf(request.Node, request.CSR, corev1.EventTypeWarning, v1alpha1.ReasonCertificateSuperseded, "Recording",
		"Another approver approved request %s, which was not made with the certificate that was issued to this node last, for request %s. Somebody else may have a certificate of this node.",
		request.CSR.Name, last.Request)
}
