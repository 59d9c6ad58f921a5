package failure

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"

	"github.com/k8sm/k8sm/mesos/libprocess"
	"github.com/k8sm/k8sm/mesos/scheduler"
)

// RequestError is the error of a request to a master, with what was seen of its connection.
type RequestError struct {
	// Host is the host:port that the request went to.
	Host string
	// IsTLS: the address begins with https://.
	IsTLS bool
	// HandshakeDone: the TLS handshake was completed, or the connection was used before.
	HandshakeDone bool
	// HasCertificate: the operator has a client certificate to present.
	HasCertificate bool
	// Err is the error of the HTTP client.
	Err error
}

// Error implements error.
func (e *RequestError) Error() string { return e.Err.Error() }

// Unwrap returns the error of the HTTP client.
func (e *RequestError) Unwrap() error { return e.Err }

// failure tells apart what a person has to do different things about.
func (e *RequestError) failure() *Failure {
	reason, advice := scheduler.MasterUnreachable, e.advice()
	switch {
	case e.isCertificateInvalid():
		reason, advice = scheduler.MasterCertificateInvalid, fmt.Sprintf("The certificate of %s is not accepted: %s", e.Host, e.certificateAdvice())
	case e.isOurCertificateRefused():
		reason, advice = scheduler.ClientCertificateRefused, fmt.Sprintf("%s refuses the operator's side of TLS: %s", e.Host, e.clientAdvice())
	case e.IsTLS && isClosed(e.Err) && e.HandshakeDone:
		reason, advice = scheduler.ConnectionClosed,
			fmt.Sprintf("%s closed the connection after the TLS handshake, and did not say why: %s", e.Host, e.clientAdvice())
	case e.IsTLS && isClosed(e.Err):
		reason, advice = scheduler.ConnectionClosed, fmt.Sprintf(
			"%s closed the connection during the TLS handshake. Either it does not speak TLS 1.2 or newer on this port, or: %s", e.Host, e.clientAdvice())
	}
	return &Failure{reason, withAdvice(e.Err.Error(), advice)}
}

// isCertificateInvalid reports whether the operator does not trust the master's certificate.
func (e *RequestError) isCertificateInvalid() bool {
	var invalid *tls.CertificateVerificationError
	var authority x509.UnknownAuthorityError
	var name x509.HostnameError
	var other x509.CertificateInvalidError
	return errors.As(e.Err, &invalid) || errors.As(e.Err, &authority) || errors.As(e.Err, &name) || errors.As(e.Err, &other)
}

func (e *RequestError) certificateAdvice() string {
	var name x509.HostnameError
	var invalid x509.CertificateInvalidError
	switch {
	case errors.As(e.Err, &name):
		return "name the master in spec.masters as its certificate does, or give the master a certificate for this address"
	case errors.As(e.Err, &invalid) && invalid.Reason == x509.Expired:
		return "renew it, and compare the clocks of the master and the operator"
	}
	return `put the authority that signed it into the key "ca.crt" of the secret that spec.tls names`
}

// isOurCertificateRefused reports whether the master ended the handshake with an alert.
func (e *RequestError) isOurCertificateRefused() bool { return libprocess.IsAlert(e.Err) }

func (e *RequestError) clientAdvice() string {
	if e.HasCertificate {
		return `its authorities may not accept the certificate in the key "tls.crt" of the secret that spec.tls names, or the certificate ` +
			"may not name the operator's address (LIBPROCESS_SSL_VERIFY_IPADD)"
	}
	return "it may want a client certificate (LIBPROCESS_SSL_REQUIRE_CLIENT_CERT), perhaps one that names the operator's address (LIBPROCESS_SSL_VERIFY_IPADD): " +
		`put one into the keys "tls.crt" and "tls.key" of the secret that spec.tls names`
}

// isClosed reports whether the other side closed the connection without an answer.
func isClosed(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// advice is added to the error of a connection that did not come about; empty where the error
// says enough.
func (e *RequestError) advice() string {
	var dns *net.DNSError
	var timeout net.Error
	switch {
	case errors.Is(e.Err, http.ErrSchemeMismatch):
		return fmt.Sprintf("%s does not serve TLS: write http:// before it in spec.masters, or enable TLS on the master", e.Host)
	case !e.IsTLS && strings.Contains(e.Err.Error(), "malformed HTTP response"):
		return fmt.Sprintf("%s does not answer in HTTP: if it serves TLS, write https:// before it in spec.masters", e.Host)
	case !e.IsTLS && isClosed(e.Err):
		return fmt.Sprintf("%s closed the connection without an answer: if it serves TLS, write https:// before it in spec.masters", e.Host)
	case errors.As(e.Err, &dns):
		return fmt.Sprintf("The operator cannot resolve the host name in %s: check the name, and the operator's DNS", e.Host)
	case errors.Is(e.Err, syscall.ECONNREFUSED):
		return fmt.Sprintf("Nothing listens at %s: check the port, and whether the master runs", e.Host)
	case errors.As(e.Err, &timeout) && timeout.Timeout():
		return fmt.Sprintf("%s does not answer: check routes and firewalls between the operator and the master", e.Host)
	}
	return ""
}
