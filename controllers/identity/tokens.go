package identity

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/k8sm/k8sm/api/v1alpha1"
)

const (
	// TokenLifetime is how long a bootstrap token is good, from the intent on: long
	// enough to fetch a container runtime over a slow line.
	TokenLifetime = 15 * time.Minute

	// tokenNamespace is the only one in which Kubernetes looks for bootstrap tokens.
	tokenNamespace = metav1.NamespaceSystem

	tokenIDLength     = 6
	tokenSecretLength = 16
)

// +kubebuilder:rbac:groups="",namespace=kube-system,resources=secrets,verbs=create;delete

// Tokens issues and revokes bootstrap tokens: secrets in kube-system that the API
// server's bootstrap token authenticator takes. It never reads one.
type Tokens struct {
	// Writer creates and deletes secrets.
	Writer client.Writer
}

// NewTokenID makes up the public part of a token. It is recorded before the token is
// issued, so that every token that exists can be revoked.
func NewTokenID() string { return randomText(tokenIDLength) }

// Issue creates the token whose ID the node's status.task bears, and returns it, as
// id.secret. It is not kept anywhere else.
func (t Tokens) Issue(ctx context.Context, node *v1alpha1.MesosNode) (string, error) {
	task := node.Status.Task
	if task == nil || task.BootstrapTokenID == "" {
		return "", fmt.Errorf("issuing a bootstrap token: MesosNode %s has no token ID on record", node.Name)
	}
	secret := randomText(tokenSecretLength)
	if err := t.Writer.Create(ctx, tokenSecret(node, secret)); err != nil {
		return "", fmt.Errorf("creating a bootstrap token: %w", err)
	}
	return task.BootstrapTokenID + "." + secret, nil
}

// Revoke makes the bootstrap token of the node's current attempt useless. It is no
// error that there is none.
func (t Tokens) Revoke(ctx context.Context, node *v1alpha1.MesosNode) error {
	if node.Status.Task == nil || node.Status.Task.BootstrapTokenID == "" {
		return nil
	}
	return t.revoke(ctx, node.Status.Task.BootstrapTokenID)
}

func (t Tokens) revoke(ctx context.Context, id string) error {
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: tokenNamespace, Name: secretName(id)}}
	if err := t.Writer.Delete(ctx, secret); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("deleting a bootstrap token: %w", err)
	}
	return nil
}

func tokenSecret(node *v1alpha1.MesosNode, secret string) *corev1.Secret {
	task := node.Status.Task
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: tokenNamespace,
			Name:      secretName(task.BootstrapTokenID),
			Labels:    map[string]string{"app.kubernetes.io/managed-by": "k8sm"},
		},
		Type: corev1.SecretTypeBootstrapToken,
		StringData: map[string]string{
			"description":                    fmt.Sprintf("First certificate of MesosNode %s, task %s.", node.Name, task.ID),
			"token-id":                       task.BootstrapTokenID,
			"token-secret":                   secret,
			"expiration":                     tokenExpiry(task).UTC().Format(time.RFC3339),
			"usage-bootstrap-authentication": "true",
			"auth-extra-groups":              v1alpha1.BootstrapGroup,
		},
	}
}

func tokenExpiry(task *v1alpha1.MesosTask) time.Time { return task.IntentTime.Add(TokenLifetime) }

func secretName(tokenID string) string { return "bootstrap-token-" + tokenID }

// randomText has five random bits to a character, of those that tokens may have.
func randomText(length int) string { return strings.ToLower(rand.Text())[:length] }
