package identity

import (
	corev1 "k8s.io/api/core/v1"

	"github.com/k8sm/k8sm/api/v1alpha1"
)

// told tells of a ruling on the MesosNode that it is about, if there is one, and on
// the request itself otherwise.
func (r *Reconciler) told(request Request, ruling Ruling) {
	kind, reason, action := corev1.EventTypeNormal, v1alpha1.EventCSRApproved, "Approving"
	if ruling.Decision == Deny {
		kind, reason, action = corev1.EventTypeWarning, v1alpha1.EventCSRDenied, "Denying"
	}
	if request.Node == nil {
		r.Recorder.Eventf(request.CSR, nil, kind, reason, action, "%s: %s", ruling.Reason, ruling.Message)
		return
	}
	r.Recorder.Eventf(request.Node, request.CSR, kind, reason, action,
		"Request %s to %s: %s.", request.CSR.Name, request.CSR.Spec.SignerName, explained(ruling))
}

func explained(ruling Ruling) string {
	if ruling.Decision == Approve {
		return "approved"
	}
	return ruling.Reason + ", " + ruling.Message
}
