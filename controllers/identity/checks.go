package identity

import (
	"crypto/x509"
	"fmt"
	"slices"
	"strings"
	"time"

	certificatesv1 "k8s.io/api/certificates/v1"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/controllers/bootstraptoken"
	"github.com/k8sm/k8sm/mesos/scheduler"
)

// parsedRequest is what checks look at. Node is not nil after hasRecord has passed, and
// Node.Status.Task is not nil after hasTokenOfAttempt or hasLiveTask has passed.
type parsedRequest struct {
	Request
	certificate *x509.CertificateRequest
}

// check is one requirement. It returns an empty reason if the request meets it.
type check func(parsedRequest) (reason, message string)

// hasRecord requires a MesosNode of the requested name.
func hasRecord(r parsedRequest) (reason, message string) {
	if r.Node != nil {
		return "", ""
	}
	return v1alpha1.ReasonRecordNotFound, fmt.Sprintf("there is no MesosNode for the common name %q", r.certificate.Subject.CommonName)
}

// isNotRemoved requires that the node was not removed.
func isNotRemoved(r parsedRequest) (reason, message string) {
	if r.RemovedUntil.IsZero() {
		return "", ""
	}
	return v1alpha1.ReasonNameRetired, fmt.Sprintf("the node of %s was removed; a certificate in its name may be valid until %s", r.CSR.Spec.Username, r.RemovedUntil.UTC().Format(time.RFC3339))
}

// matchesSubject requires the subject of the node: its user name, and the group of nodes.
func matchesSubject(r parsedRequest) (reason, message string) {
	want, got := nodeUserPrefix+r.Node.Name, r.certificate.Subject
	if got.CommonName != want {
		return v1alpha1.ReasonSubjectMismatch, fmt.Sprintf("the common name is %q, not %q", got.CommonName, want)
	}
	if !slices.Equal(got.Organization, []string{nodesGroup}) {
		return v1alpha1.ReasonSubjectMismatch, fmt.Sprintf("the organization is %q, not %q", got.Organization, nodesGroup)
	}
	return "", ""
}

// isInNodesGroup requires that a kubelet that renews is in the group of nodes.
func isInNodesGroup(r parsedRequest) (reason, message string) {
	if slices.Contains(r.CSR.Spec.Groups, nodesGroup) {
		return "", ""
	}
	return v1alpha1.ReasonGroupMismatch, fmt.Sprintf("%s is not in the group %s", r.CSR.Spec.Username, nodesGroup)
}

// hasTokenOfAttempt requires the token that was issued for the current task.
func hasTokenOfAttempt(r parsedRequest) (reason, message string) {
	id := strings.TrimPrefix(r.CSR.Spec.Username, bootstrapUserPrefix)
	if task := r.Node.Status.Task; task != nil && id != "" && task.BootstrapTokenID == id {
		return "", ""
	}
	return v1alpha1.ReasonTokenUnknown, fmt.Sprintf("the bootstrap token is not that of the current attempt of MesosNode %s", r.Node.Name)
}

// hasUnusedToken requires that no other request was made with the token.
func hasUnusedToken(r parsedRequest) (reason, message string) {
	spentOn := r.Node.Status.Task.CertificateRequest
	if spentOn == "" || spentOn == r.CSR.Name {
		return "", ""
	}
	return v1alpha1.ReasonTokenSpent, fmt.Sprintf("the bootstrap token was spent on %s", spentOn)
}

// isBeforeTokenExpiry requires that the request was made before the token expired.
func isBeforeTokenExpiry(r parsedRequest) (reason, message string) {
	expiry := bootstraptoken.Expiry(r.Node.Status.Task)
	if r.CSR.CreationTimestamp.After(expiry) {
		return v1alpha1.ReasonTokenExpired, fmt.Sprintf("the bootstrap token expired at %s", expiry.UTC().Format("15:04:05 MST"))
	}
	return "", ""
}

// isNotDeleted requires that the MesosNode is not being deleted: it needs no first certificate.
func isNotDeleted(r parsedRequest) (reason, message string) {
	if r.Node.DeletionTimestamp.IsZero() {
		return "", ""
	}
	return v1alpha1.ReasonTaskNotLive, fmt.Sprintf("MesosNode %s is being deleted", r.Node.Name)
}

// hasLiveTask requires a task that is not known to have ended.
func hasLiveTask(r parsedRequest) (reason, message string) {
	task := r.Node.Status.Task
	if task == nil {
		return v1alpha1.ReasonTaskNotLive, fmt.Sprintf("MesosNode %s has no task", r.Node.Name)
	}
	if scheduler.TaskState(task.State).Terminal() {
		return v1alpha1.ReasonTaskNotLive, fmt.Sprintf("the task of MesosNode %s ended with %s", r.Node.Name, task.State)
	}
	return "", ""
}

// hasLastCertificate requires that the request was made with the client certificate that was
// issued to the node last. Copies of earlier ones may be in other hands.
func hasLastCertificate(r parsedRequest) (reason, message string) {
	used := credentialOf(r.CSR)
	last, known := lastCertificate(r.Node.Status.Task, r.Requests, r.Now)
	switch {
	case used == "" || !known:
		return "", ""
	case last == nil:
		return v1alpha1.ReasonCertificateSuperseded, fmt.Sprintf("no certificate was issued to task %s of MesosNode %s yet", r.Node.Status.Task.ID, r.Node.Name)
	case last.CredentialID != used:
		return v1alpha1.ReasonCertificateSuperseded, fmt.Sprintf(
			"it was not made with the certificate that was issued to MesosNode %s last, for request %s; if the node itself has lost that, delete the MesosNode to have it replaced", r.Node.Name, last.Request)
	}
	return "", ""
}

func hasClientUsages(r parsedRequest) (reason, message string) {
	return matchUsages(r, certificatesv1.UsageDigitalSignature, certificatesv1.UsageClientAuth)
}

func hasServingUsages(r parsedRequest) (reason, message string) {
	return matchUsages(r, certificatesv1.UsageDigitalSignature, certificatesv1.UsageServerAuth)
}

// matchUsages requires exactly the wanted usages. Encipherment is allowed besides, because
// kubelets ask for it with RSA keys.
func matchUsages(r parsedRequest, want ...certificatesv1.KeyUsage) (reason, message string) {
	got := slices.DeleteFunc(slices.Clone(r.CSR.Spec.Usages), func(u certificatesv1.KeyUsage) bool {
		return u == certificatesv1.UsageKeyEncipherment
	})
	slices.Sort(got)
	slices.Sort(want)
	if slices.Equal(got, want) {
		return "", ""
	}
	return v1alpha1.ReasonUsagesMismatch, fmt.Sprintf("the usages are %q; expected are %q, and %q at most", r.CSR.Spec.Usages, want, certificatesv1.UsageKeyEncipherment)
}

// hasNoAlternativeNames requires that a client certificate has no alternative names.
func hasNoAlternativeNames(r parsedRequest) (reason, message string) {
	c := r.certificate
	if len(c.DNSNames)+len(c.IPAddresses)+len(c.EmailAddresses)+len(c.URIs) == 0 {
		return "", ""
	}
	return v1alpha1.ReasonAlternativeNamesMismatch, "a kubelet's client certificate has no alternative names"
}

// hasOwnAlternativeNames requires that a serving certificate is for the node's name and its
// agent's address, and for nothing else.
func hasOwnAlternativeNames(r parsedRequest) (reason, message string) {
	c := r.certificate
	if len(c.EmailAddresses)+len(c.URIs) > 0 {
		return v1alpha1.ReasonAlternativeNamesMismatch, "a kubelet's serving certificate has no e-mail addresses or URIs"
	}
	if len(c.DNSNames)+len(c.IPAddresses) == 0 {
		return v1alpha1.ReasonAlternativeNamesMismatch, "a kubelet's serving certificate needs a name or an address"
	}
	for _, name := range c.DNSNames {
		if name != r.Node.Name {
			return v1alpha1.ReasonAlternativeNamesMismatch, fmt.Sprintf("the name %q is not the node's, %q", name, r.Node.Name)
		}
	}
	for _, address := range c.IPAddresses {
		if address.String() != r.Node.Status.Task.AgentAddress {
			return v1alpha1.ReasonAlternativeNamesMismatch, fmt.Sprintf("the address %s is not the agent's, %s", address, r.Node.Status.Task.AgentAddress)
		}
	}
	return "", ""
}
