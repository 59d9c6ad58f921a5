package identity

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"slices"
	"strings"
	"time"

	certificatesv1 "k8s.io/api/certificates/v1"

	"github.com/k8sm/k8sm/api/v1alpha1"
)

const (
	bootstrapUserPrefix = "system:bootstrap:"
	nodeUserPrefix      = "system:node:"
	nodesGroup          = "system:nodes"
)

// Request is a certificate signing request and the record that it is compared with.
type Request struct {
	CSR *certificatesv1.CertificateSigningRequest
	// Node is the MesosNode whose name [NodeNameOf] finds in the request, nil if there is
	// none.
	Node *v1alpha1.MesosNode
	// RemovedUntil is the time until which somebody may hold a certificate in the name of a
	// node of that name that was removed, zero if there was none.
	RemovedUntil time.Time
	// Requests are those for a client certificate that the node or its bootstrap token made,
	// as far as they still exist.
	Requests []*certificatesv1.CertificateSigningRequest
	// Now is the time.
	Now time.Time
}

// Outcome of a request.
type Outcome int

// The outcomes.
const (
	// Ignore leaves the request to other approvers: it does not concern a MesosNode.
	Ignore Outcome = iota
	// Approve lets the signer sign the request.
	Approve
	// Deny rejects the request. The denial is final.
	Deny
)

// Decision is an outcome and the reason for it. Reason and Message are empty if the request
// is ignored.
type Decision struct {
	Outcome Outcome
	Reason  string
	Message string
}

// Evaluate decides on a request that is neither approved nor denied yet.
func Evaluate(r Request) Decision {
	checks := checksFor(r)
	if checks == nil {
		return Decision{Outcome: Ignore}
	}
	certificate, err := parseCertificateRequest(r.CSR)
	if err != nil {
		return Decision{Deny, v1alpha1.ReasonRequestMalformed, err.Error()}
	}
	for _, check := range checks {
		if reason, message := check(parsedRequest{r, certificate}); reason != "" {
			return Decision{Deny, reason, message}
		}
	}
	return Decision{Approve, v1alpha1.ReasonMatchesRecord, "The request matches the record of MesosNode " + r.Node.Name + "."}
}

// checksFor returns the checks of a request, in order. It returns nil if the request does not
// concern a MesosNode. The order matters: a check may rely on those before it.
func checksFor(r Request) []check {
	switch {
	case isByBootstrapToken(r.CSR):
		return []check{hasRecord, matchesSubject, hasTokenOfAttempt, hasUnusedToken, isBeforeTokenExpiry, isNotDeleted, hasLiveTask, hasClientUsages, hasNoAlternativeNames}
	case isByNode(r.CSR) && r.Node == nil && !r.RemovedUntil.IsZero():
		return []check{isNotRemoved}
	case !isByNode(r.CSR) || r.Node == nil:
		return nil
	case r.CSR.Spec.SignerName == certificatesv1.KubeAPIServerClientKubeletSignerName:
		return []check{isInNodesGroup, matchesSubject, hasLiveTask, hasLastCertificate, hasClientUsages, hasNoAlternativeNames}
	default:
		return []check{isInNodesGroup, matchesSubject, hasLiveTask, hasLastCertificate, hasServingUsages, hasOwnAlternativeNames}
	}
}

// isServedSigner reports whether this controller looks at the requests of a signer.
func isServedSigner(signer string) bool {
	return signer == certificatesv1.KubeAPIServerClientKubeletSignerName || signer == certificatesv1.KubeletServingSignerName
}

// isByBootstrapToken reports whether the request is for a client certificate and was made with
// a bootstrap token of this operator.
func isByBootstrapToken(csr *certificatesv1.CertificateSigningRequest) bool {
	return csr.Spec.SignerName == certificatesv1.KubeAPIServerClientKubeletSignerName &&
		strings.HasPrefix(csr.Spec.Username, bootstrapUserPrefix) &&
		slices.Contains(csr.Spec.Groups, v1alpha1.BootstrapGroup)
}

// isByNode reports whether the request was made by a kubelet that has a certificate.
func isByNode(csr *certificatesv1.CertificateSigningRequest) bool {
	return isServedSigner(csr.Spec.SignerName) && strings.HasPrefix(csr.Spec.Username, nodeUserPrefix)
}

// NodeNameOf returns the name of the MesosNode that a request may be for, "" if it is for
// none. The name of a kubelet that has a certificate is authenticated. A kubelet that has only
// a bootstrap token asks for a name, and the checks compare it with the token.
func NodeNameOf(csr *certificatesv1.CertificateSigningRequest) string {
	switch {
	case isByNode(csr):
		return strings.TrimPrefix(csr.Spec.Username, nodeUserPrefix)
	case isByBootstrapToken(csr):
		if certificate, err := parseCertificateRequest(csr); err == nil {
			if name, ok := strings.CutPrefix(certificate.Subject.CommonName, nodeUserPrefix); ok {
				return name
			}
		}
	}
	return ""
}

func parseCertificateRequest(csr *certificatesv1.CertificateSigningRequest) (*x509.CertificateRequest, error) {
	block, rest := pem.Decode(csr.Spec.Request)
	if block == nil || block.Type != "CERTIFICATE REQUEST" || len(strings.TrimSpace(string(rest))) > 0 {
		return nil, errors.New("spec.request is not one certificate request in PEM")
	}
	certificate, err := x509.ParseCertificateRequest(block.Bytes)
	if err != nil {
		return nil, errors.New("spec.request cannot be parsed as a certificate request")
	}
	if certificate.CheckSignature() != nil {
		return nil, errors.New("spec.request is not signed with its own key")
	}
	return certificate, nil
}
