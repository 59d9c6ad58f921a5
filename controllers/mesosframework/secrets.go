package mesosframework

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/mesos/session"
)

// access is what the operator presents to the masters.
type access struct {
	session.Credentials
	principal string
	// material is what TLS was made from. It shows whether TLS has changed.
	material [][]byte
}

// terminalError is a reason for which a MesosFramework cannot have the session that its spec
// asks for. Trying again does not help: the spec, a secret or another object has to change.
type terminalError struct {
	// reason is a reason of conditions in v1alpha1, message a sentence for a person.
	reason, message string
}

func (e *terminalError) Error() string { return e.message }

// readAccess reads the secrets that the framework names. The error is a *terminalError if a
// secret is missing or cannot be used.
func (r *Reconciler) readAccess(ctx context.Context, rc *reconcileContext) (access, error) {
	var out access
	spec := rc.framework.Spec
	if c := spec.Credentials; c != nil {
		secret, err := r.readSecret(ctx, rc, c.SecretRef.Name, "credentials")
		if err != nil {
			return access{}, err
		}
		if err := out.setCredentials(c.Type, secret); err != nil {
			return access{}, err
		}
	}
	if c := spec.ZooKeeperCredentials; c != nil {
		secret, err := r.readSecret(ctx, rc, c.SecretRef.Name, "zookeeperCredentials")
		if err != nil {
			return access{}, err
		}
		if err := out.setZooKeeper(secret); err != nil {
			return access{}, err
		}
	}
	if spec.TLS != nil {
		secret, err := r.readSecret(ctx, rc, spec.TLS.SecretRef.Name, "tls")
		if err != nil {
			return access{}, err
		}
		if err := out.setTLS(secret); err != nil {
			return access{}, err
		}
	}
	return out, nil
}

// readSecret reads a secret of the operator's own namespace, which spec.<field>.secretRef names
// and which the framework may use.
func (r *Reconciler) readSecret(ctx context.Context, rc *reconcileContext, name, field string) (*corev1.Secret, error) {
	secret := &corev1.Secret{}
	err := r.Client.Get(ctx, client.ObjectKey{Namespace: r.Namespace, Name: name}, secret)
	if apierrors.IsNotFound(err) {
		return nil, &terminalError{v1alpha1.ReasonSecretNotFound, fmt.Sprintf(
			"spec.%s.secretRef names the secret %q, and there is none in the namespace %s.", field, name, r.Namespace)}
	}
	if err != nil {
		return nil, fmt.Errorf("reading secret %s: %w", name, err)
	}
	return secret, rc.checkPermitted(secret)
}

// setCredentials reads principal and authorization from a secret.
func (a *access) setCredentials(kind v1alpha1.CredentialsType, secret *corev1.Secret) error {
	a.principal = value(secret, "principal")
	if kind == v1alpha1.CredentialsBearer {
		token := value(secret, "token")
		if token == "" {
			return missingKey(secret, "token")
		}
		if strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }) {
			return invalidKey(secret, "token", "it holds characters that no HTTP header may have")
		}
		a.Authorization = "Bearer " + token
		return nil
	}
	password := value(secret, "secret")
	switch {
	case a.principal == "":
		return missingKey(secret, "principal")
	case password == "":
		return missingKey(secret, "secret")
	case strings.Contains(a.principal, ":"):
		return invalidKey(secret, "principal", "basic authentication allows no ':' in it")
	}
	a.Authorization = "Basic " + base64.StdEncoding.EncodeToString([]byte(a.principal+":"+password))
	return nil
}

// setZooKeeper reads a user of ZooKeeper's digest scheme from a secret.
func (a *access) setZooKeeper(secret *corev1.Secret) error {
	user, password := value(secret, "username"), value(secret, "password")
	switch {
	case user == "":
		return missingKey(secret, "username")
	case password == "":
		return missingKey(secret, "password")
	case strings.Contains(user, ":"):
		return invalidKey(secret, "username", "ZooKeeper allows no ':' in it")
	}
	a.ZooKeeper = user + ":" + password
	return nil
}

// setTLS reads authorities and client certificate from a secret.
func (a *access) setTLS(secret *corev1.Secret) error {
	authorities := secret.Data["ca.crt"]
	if len(authorities) == 0 {
		return missingKey(secret, "ca.crt")
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: x509.NewCertPool()}
	if !config.RootCAs.AppendCertsFromPEM(authorities) {
		return invalidKey(secret, "ca.crt", "it holds no certificate in PEM")
	}
	certificate, key := secret.Data[corev1.TLSCertKey], secret.Data[corev1.TLSPrivateKeyKey]
	switch {
	case len(certificate) == 0 && len(key) > 0:
		return missingKey(secret, corev1.TLSCertKey)
	case len(certificate) > 0 && len(key) == 0:
		return missingKey(secret, corev1.TLSPrivateKeyKey)
	case len(certificate) > 0:
		pair, err := tls.X509KeyPair(certificate, key)
		if err != nil {
			return invalidKey(secret, corev1.TLSCertKey, "it is not the certificate of tls.key in PEM")
		}
		config.Certificates = []tls.Certificate{pair}
	}
	a.TLS, a.material = config, [][]byte{authorities, certificate, key}
	return nil
}

// value returns a key's value as text, without the line break that editors append.
func value(secret *corev1.Secret, key string) string {
	return strings.TrimRight(string(secret.Data[key]), "\r\n")
}

func missingKey(secret *corev1.Secret, key string) error {
	return &terminalError{v1alpha1.ReasonSecretInvalid, fmt.Sprintf("The secret %q lacks the key %q, or its value is empty.", secret.Name, key)}
}

func invalidKey(secret *corev1.Secret, key, why string) error {
	return &terminalError{v1alpha1.ReasonSecretInvalid, fmt.Sprintf("The key %q of the secret %q cannot be used: %s.", key, secret.Name, why)}
}
