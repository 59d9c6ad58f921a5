package identity

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"strings"
	"time"

	certificatesv1 "k8s.io/api/certificates/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/k8sm/k8sm/api/v1alpha1"
)

// credentialIDKey is the extra of a user that names the credential a request was made with.
// The API server sets it, and nobody else can.
const credentialIDKey = "authentication.kubernetes.io/credential-id"

// credentialOf returns the ID of the credential that a request was made with. It is empty if
// the API server does not name it: it is too old, or users log in at a proxy before it.
func credentialOf(csr *certificatesv1.CertificateSigningRequest) string {
	if values := csr.Spec.Extra[credentialIDKey]; len(values) == 1 {
		return values[0]
	}
	return ""
}

// issuedCertificate returns the record of the certificate that was issued for a request, nil
// if there is none that can be read.
func issuedCertificate(csr *certificatesv1.CertificateSigningRequest) *v1alpha1.TaskCertificate {
	block, _ := pem.Decode(csr.Status.Certificate)
	if block == nil {
		return nil
	}
	certificate, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil
	}
	digest := sha256.Sum256(certificate.Raw)
	return &v1alpha1.TaskCertificate{
		Request:        csr.Name,
		CredentialID:   "X509SHA256=" + hex.EncodeToString(digest[:]),
		RequestTime:    csr.CreationTimestamp,
		ExpirationTime: metav1.NewTime(certificate.NotAfter),
	}
}

// lastCertificate returns the client certificate that was issued last to the kubelet of a
// task. The requests are those of the node that still exist: whoever holds the certificate on
// record may have renewed it since, through another approver too. Known is false if nothing
// shows which certificate is the last one; it is true with no certificate if none was issued.
//
// A record that has expired shows nothing. Its certificate is of no use to anybody, and the
// certificates before it are not either.
func lastCertificate(task *v1alpha1.MesosTask, requests []*certificatesv1.CertificateSigningRequest, now time.Time) (last *v1alpha1.TaskCertificate, known bool) {
	last = task.Certificate
	if last == nil {
		first := firstRequest(task, requests)
		switch {
		case first == nil && task.CertificateRequest == "":
			return nil, true
		case first != nil && len(first.Status.Certificate) == 0:
			return nil, true
		case first != nil:
			last = issuedCertificate(first)
		}
	}
	if last == nil || now.After(last.ExpirationTime.Time) {
		if last = newestRenewal(requests); last == nil {
			return nil, false
		}
	}
	for range requests { // Each renewal is followed once at most.
		next := renewalOf(last, requests)
		if next == nil {
			break
		}
		last = next
	}
	return last, true
}

// firstRequest returns the request that the task's bootstrap token was used for, nil if it
// does not exist any more.
func firstRequest(task *v1alpha1.MesosTask, requests []*certificatesv1.CertificateSigningRequest) *certificatesv1.CertificateSigningRequest {
	for _, csr := range requests {
		byToken := task.BootstrapTokenID != "" && csr.Spec.Username == bootstrapUserPrefix+task.BootstrapTokenID
		if csr.Name == task.CertificateRequest || task.CertificateRequest == "" && byToken && len(csr.Status.Certificate) > 0 {
			return csr
		}
	}
	return nil
}

// renewalOf returns the newest certificate that was issued for a request with this one.
func renewalOf(last *v1alpha1.TaskCertificate, requests []*certificatesv1.CertificateSigningRequest) *v1alpha1.TaskCertificate {
	var next *v1alpha1.TaskCertificate
	for _, csr := range requests {
		if used := credentialOf(csr); !strings.HasPrefix(csr.Spec.Username, nodeUserPrefix) || csr.Name == last.Request ||
			used != last.CredentialID && (used != "" || !last.RequestTime.Before(&csr.CreationTimestamp)) {
			continue
		}
		next = newer(next, issuedCertificate(csr))
	}
	return next
}

// newestRenewal returns the newest certificate that was issued for a request of the node's.
func newestRenewal(requests []*certificatesv1.CertificateSigningRequest) *v1alpha1.TaskCertificate {
	var newest *v1alpha1.TaskCertificate
	for _, csr := range requests {
		if strings.HasPrefix(csr.Spec.Username, nodeUserPrefix) {
			newest = newer(newest, issuedCertificate(csr))
		}
	}
	return newest
}

func newer(a, b *v1alpha1.TaskCertificate) *v1alpha1.TaskCertificate {
	switch {
	case b == nil:
		return a
	case a == nil || a.RequestTime.Before(&b.RequestTime) || a.RequestTime.Equal(&b.RequestTime) && a.Request < b.Request:
		return b
	}
	return a
}

// isClientRequestOf reports whether a request for a client certificate was made by the node, or
// with the bootstrap token of its task.
func isClientRequestOf(csr *certificatesv1.CertificateSigningRequest, node *v1alpha1.MesosNode) bool {
	task := node.Status.Task
	if task == nil || csr.Spec.SignerName != certificatesv1.KubeAPIServerClientKubeletSignerName {
		return false
	}
	return csr.Spec.Username == nodeUserPrefix+node.Name || csr.Name == task.CertificateRequest ||
		task.BootstrapTokenID != "" && csr.Spec.Username == bootstrapUserPrefix+task.BootstrapTokenID
}
