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

// access is with what the operator comes to the masters.
type access struct {
	session.Credentials
	principal string
	// material is what TLS was made from, to tell whether it has changed.
	material [][]byte
}

// problem is why a MesosFramework cannot have a session as it is now: a reason out of
// api, and words for a person. Nothing but a change of an object helps.
type problem struct{ reason, message string }

func (p *problem) Error() string { return p.message }

// access resolves the secrets that the framework names. The error is a *problem when a
// secret is missing or cannot be used.
func (r *Reconciler) access(ctx context.Context, spec v1alpha1.MesosFrameworkSpec) (access, error) {
	var out access
	if c := spec.Credentials; c != nil {
		secret, err := r.secret(ctx, c.SecretRef.Name, "credentials")
		if err != nil {
			return access{}, err
		}
		if err := out.authenticate(c.Type, secret); err != nil {
			return access{}, err
		}
	}
	if spec.TLS != nil {
		secret, err := r.secret(ctx, spec.TLS.SecretRef.Name, "tls")
		if err != nil {
			return access{}, err
		}
		if err := out.secure(secret); err != nil {
			return access{}, err
		}
	}
	return out, nil
}

func (r *Reconciler) secret(ctx context.Context, name, field string) (*corev1.Secret, error) {
	secret := &corev1.Secret{}
	err := r.Client.Get(ctx, client.ObjectKey{Namespace: r.Namespace, Name: name}, secret)
	if apierrors.IsNotFound(err) {
		return nil, &problem{v1alpha1.ReasonSecretNotFound, fmt.Sprintf(
			"spec.%s.secretRef names the secret %q, and there is none in the namespace %s.", field, name, r.Namespace)}
	}
	if err != nil {
		return nil, fmt.Errorf("reading secret %s: %w", name, err)
	}
	return secret, nil
}

// authenticate takes principal and authorization out of a secret.
func (a *access) authenticate(kind v1alpha1.CredentialsType, secret *corev1.Secret) error {
	a.principal = value(secret, "principal")
	if kind == v1alpha1.CredentialsBearer {
		token := value(secret, "token")
		if token == "" {
			return lacking(secret, "token")
		}
		if strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }) {
			return unusable(secret, "token", "it holds characters that no HTTP header may have")
		}
		a.Authorization = "Bearer " + token
		return nil
	}
	password := value(secret, "secret")
	switch {
	case a.principal == "":
		return lacking(secret, "principal")
	case password == "":
		return lacking(secret, "secret")
	case strings.Contains(a.principal, ":"):
		return unusable(secret, "principal", "basic authentication allows no ':' in it")
	}
	a.Authorization = "Basic " + base64.StdEncoding.EncodeToString([]byte(a.principal+":"+password))
	return nil
}

// secure takes authorities and client certificate out of a secret.
func (a *access) secure(secret *corev1.Secret) error {
	authorities := secret.Data["ca.crt"]
	if len(authorities) == 0 {
		return lacking(secret, "ca.crt")
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: x509.NewCertPool()}
	if !config.RootCAs.AppendCertsFromPEM(authorities) {
		return unusable(secret, "ca.crt", "it holds no certificate in PEM")
	}
	certificate, key := secret.Data[corev1.TLSCertKey], secret.Data[corev1.TLSPrivateKeyKey]
	switch {
	case len(certificate) == 0 && len(key) > 0:
		return lacking(secret, corev1.TLSCertKey)
	case len(certificate) > 0 && len(key) == 0:
		return lacking(secret, corev1.TLSPrivateKeyKey)
	case len(certificate) > 0:
		pair, err := tls.X509KeyPair(certificate, key)
		if err != nil {
			return unusable(secret, corev1.TLSCertKey, "it is not the certificate of tls.key in PEM")
		}
		config.Certificates = []tls.Certificate{pair}
	}
	a.TLS, a.material = config, [][]byte{authorities, certificate, key}
	return nil
}

// value is a key's value as text, without the line's end that editors leave behind.
func value(secret *corev1.Secret, key string) string {
	return strings.TrimRight(string(secret.Data[key]), "\r\n")
}

func lacking(secret *corev1.Secret, key string) error {
	return &problem{v1alpha1.ReasonSecretInvalid, fmt.Sprintf("The secret %q lacks the key %q, or has nothing under it.", secret.Name, key)}
}

func unusable(secret *corev1.Secret, key, why string) error {
	return &problem{v1alpha1.ReasonSecretInvalid, fmt.Sprintf("The key %q of the secret %q cannot be used: %s.", key, secret.Name, why)}
}
