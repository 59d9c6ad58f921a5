package identity

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"slices"
	"strings"

	certificatesv1 "k8s.io/api/certificates/v1"

	"github.com/k8sm/k8sm/api/v1alpha1"
)

const (
	bootstrapUserPrefix = "system:bootstrap:"
	nodeUserPrefix      = "system:node:"
	nodesGroup          = "system:nodes"
)

// Request is a certificate signing request and the record that it is held against.
type Request struct {
	CSR *certificatesv1.CertificateSigningRequest
	// Node is the MesosNode whose name [NodeNameOf] finds in the request; nil when
	// there is none.
	Node *v1alpha1.MesosNode
}

// Decision is what becomes of a request.
type Decision int

// The decisions.
const (
	// Ignore leaves the request to others: it has nothing to do with a MesosNode.
	Ignore Decision = iota
	// Approve has the signer sign it.
	Approve
	// Deny ends it.
	Deny
)

// Ruling is a decision and why it was made. Reason and Message are empty when the
// request is ignored.
type Ruling struct {
	Decision Decision
	Reason   string
	Message  string
}

// Judge decides on a request that is neither approved nor denied yet.
func Judge(r Request) Ruling {
	checks := checksFor(r)
	if checks == nil {
		return Ruling{Decision: Ignore}
	}
	e := evidence{Request: r, node: r.Node}
	var err error
	if e.certificate, err = parse(r.CSR); err != nil {
		return Ruling{Deny, v1alpha1.ReasonRequestMalformed, err.Error()}
	}
	for _, check := range checks {
		if reason, message := check(e); reason != "" {
			return Ruling{Deny, reason, message}
		}
	}
	return Ruling{Approve, v1alpha1.ReasonMatchesRecord, "The request is what the record of MesosNode " + r.Node.Name + " lets expect."}
}

// checksFor chooses what a request must pass, in order; nil when it is not ours.
func checksFor(r Request) []check {
	switch {
	case byBootstrapToken(r.CSR):
		return []check{recorded, subject, tokenOfAttempt, tokenUnspent, tokenInTime, staying, live, clientUsages, noAlternativeNames}
	case !byNode(r.CSR) || r.Node == nil:
		return nil
	case r.CSR.Spec.SignerName == certificatesv1.KubeAPIServerClientKubeletSignerName:
		return []check{inNodesGroup, subject, live, clientUsages, noAlternativeNames}
	default:
		return []check{inNodesGroup, subject, live, servingUsages, ownAlternativeNames}
	}
}

// served tells whether a signer's requests are looked at at all.
func served(signer string) bool {
	return signer == certificatesv1.KubeAPIServerClientKubeletSignerName || signer == certificatesv1.KubeletServingSignerName
}

// byBootstrapToken tells whether one of our bootstrap tokens asks for a client certificate.
func byBootstrapToken(csr *certificatesv1.CertificateSigningRequest) bool {
	return csr.Spec.SignerName == certificatesv1.KubeAPIServerClientKubeletSignerName &&
		strings.HasPrefix(csr.Spec.Username, bootstrapUserPrefix) &&
		slices.Contains(csr.Spec.Groups, v1alpha1.BootstrapGroup)
}

// byNode tells whether a kubelet asks that has a certificate already.
func byNode(csr *certificatesv1.CertificateSigningRequest) bool {
	return served(csr.Spec.SignerName) && strings.HasPrefix(csr.Spec.Username, nodeUserPrefix)
}

// NodeNameOf returns the name of the MesosNode that a request may be for, "" when it
// is for none: a kubelet that has a certificate says who it is; one that has only a
// bootstrap token says who it wants to be.
func NodeNameOf(csr *certificatesv1.CertificateSigningRequest) string {
	switch {
	case byNode(csr):
		return strings.TrimPrefix(csr.Spec.Username, nodeUserPrefix)
	case byBootstrapToken(csr):
		if certificate, err := parse(csr); err == nil {
			if name, ok := strings.CutPrefix(certificate.Subject.CommonName, nodeUserPrefix); ok {
				return name
			}
		}
	}
	return ""
}

func parse(csr *certificatesv1.CertificateSigningRequest) (*x509.CertificateRequest, error) {
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
