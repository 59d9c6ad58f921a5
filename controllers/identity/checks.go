package identity

import (
	"crypto/x509"
	"fmt"
	"slices"
	"strings"

	certificatesv1 "k8s.io/api/certificates/v1"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/controllers/bootstraptoken"
	"github.com/k8sm/k8sm/mesos/scheduler"
)

// evidence is what checks look at. After recorded has passed, node is not nil.
type evidence struct {
	Request
	certificate *x509.CertificateRequest
	node        *v1alpha1.MesosNode
}

// check is one thing that a request must meet. It returns no reason when it is met.
type check func(evidence) (reason, message string)

// recorded: there is a MesosNode of the name that is asked for.
func recorded(e evidence) (reason, message string) {
	if e.node != nil {
		return "", ""
	}
	return v1alpha1.ReasonRecordNotFound, fmt.Sprintf("there is no MesosNode for the common name %q", e.certificate.Subject.CommonName)
}

// subject: the certificate says what node it is for, and that it is a node.
func subject(e evidence) (reason, message string) {
	want, got := nodeUserPrefix+e.node.Name, e.certificate.Subject
	if got.CommonName != want {
		return v1alpha1.ReasonSubjectMismatch, fmt.Sprintf("the common name is %q, not %q", got.CommonName, want)
	}
	if !slices.Equal(got.Organization, []string{nodesGroup}) {
		return v1alpha1.ReasonSubjectMismatch, fmt.Sprintf("the organization is %q, not %q", got.Organization, nodesGroup)
	}
	return "", ""
}

// inNodesGroup: a kubelet that renews is in the group of nodes.
func inNodesGroup(e evidence) (reason, message string) {
	if slices.Contains(e.CSR.Spec.Groups, nodesGroup) {
		return "", ""
	}
	return v1alpha1.ReasonGroupMismatch, fmt.Sprintf("%s is not in the group %s", e.CSR.Spec.Username, nodesGroup)
}

// tokenOfAttempt: the token is the one that was issued for the current task.
func tokenOfAttempt(e evidence) (reason, message string) {
	id := strings.TrimPrefix(e.CSR.Spec.Username, bootstrapUserPrefix)
	if task := e.node.Status.Task; task != nil && id != "" && task.BootstrapTokenID == id {
		return "", ""
	}
	return v1alpha1.ReasonTokenUnknown, fmt.Sprintf("the bootstrap token is not that of the current attempt of MesosNode %s", e.node.Name)
}

// tokenUnspent: no other request was made with the token.
func tokenUnspent(e evidence) (reason, message string) {
	spentOn := e.node.Status.Task.CertificateRequest
	if spentOn == "" || spentOn == e.CSR.Name {
		return "", ""
	}
	return v1alpha1.ReasonTokenSpent, fmt.Sprintf("the bootstrap token was spent on %s", spentOn)
}

// tokenInTime: the request was made before the token's time was up.
func tokenInTime(e evidence) (reason, message string) {
	expiry := bootstraptoken.Expiry(e.node.Status.Task)
	if e.CSR.CreationTimestamp.After(expiry) {
		return v1alpha1.ReasonTokenExpired, fmt.Sprintf("the bootstrap token expired at %s", expiry.UTC().Format("15:04:05 MST"))
	}
	return "", ""
}

// staying: a MesosNode that is to go needs no first certificate.
func staying(e evidence) (reason, message string) {
	if e.node.DeletionTimestamp.IsZero() {
		return "", ""
	}
	return v1alpha1.ReasonTaskNotLive, fmt.Sprintf("MesosNode %s is being deleted", e.node.Name)
}

// live: the MesosNode has a task that is not known to have ended.
func live(e evidence) (reason, message string) {
	task := e.node.Status.Task
	if task == nil {
		return v1alpha1.ReasonTaskNotLive, fmt.Sprintf("MesosNode %s has no task", e.node.Name)
	}
	if scheduler.TaskState(task.State).Terminal() {
		return v1alpha1.ReasonTaskNotLive, fmt.Sprintf("the task of MesosNode %s ended with %s", e.node.Name, task.State)
	}
	return "", ""
}

func clientUsages(e evidence) (reason, message string) {
	return usages(e, certificatesv1.UsageDigitalSignature, certificatesv1.UsageClientAuth)
}

func servingUsages(e evidence) (reason, message string) {
	return usages(e, certificatesv1.UsageDigitalSignature, certificatesv1.UsageServerAuth)
}

// usages: those asked for are the wanted ones; RSA keys are used to encipher, too.
func usages(e evidence, want ...certificatesv1.KeyUsage) (reason, message string) {
	got := slices.DeleteFunc(slices.Clone(e.CSR.Spec.Usages), func(u certificatesv1.KeyUsage) bool {
		return u == certificatesv1.UsageKeyEncipherment
	})
	slices.Sort(got)
	slices.Sort(want)
	if slices.Equal(got, want) {
		return "", ""
	}
	return v1alpha1.ReasonUsagesMismatch, fmt.Sprintf("the usages are %q; expected are %q, and %q at most", e.CSR.Spec.Usages, want, certificatesv1.UsageKeyEncipherment)
}

// noAlternativeNames: a client needs none.
func noAlternativeNames(e evidence) (reason, message string) {
	c := e.certificate
	if len(c.DNSNames)+len(c.IPAddresses)+len(c.EmailAddresses)+len(c.URIs) == 0 {
		return "", ""
	}
	return v1alpha1.ReasonAlternativeNamesMismatch, "a kubelet's client certificate has no alternative names"
}

// ownAlternativeNames: a kubelet serves under its node's name and its agent's address.
func ownAlternativeNames(e evidence) (reason, message string) {
	c := e.certificate
	if len(c.EmailAddresses)+len(c.URIs) > 0 {
		return v1alpha1.ReasonAlternativeNamesMismatch, "a kubelet's serving certificate has no e-mail addresses or URIs"
	}
	if len(c.DNSNames)+len(c.IPAddresses) == 0 {
		return v1alpha1.ReasonAlternativeNamesMismatch, "a kubelet's serving certificate needs a name or an address"
	}
	for _, name := range c.DNSNames {
		if name != e.node.Name {
			return v1alpha1.ReasonAlternativeNamesMismatch, fmt.Sprintf("the name %q is not the node's, %q", name, e.node.Name)
		}
	}
	for _, address := range c.IPAddresses {
		if address.String() != e.node.Status.Task.AgentAddress {
			return v1alpha1.ReasonAlternativeNamesMismatch, fmt.Sprintf("the address %s is not the agent's, %s", address, e.node.Status.Task.AgentAddress)
		}
	}
	return "", ""
}
