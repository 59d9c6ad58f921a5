package bootstraptoken

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
	// Lifetime of a bootstrap token, counted from the intent to launch. It is long enough to
	// fetch a container runtime over a slow line.
	Lifetime = 15 * time.Minute

	// secretNamespace is the only namespace in which Kubernetes looks for bootstrap tokens.
	secretNamespace = metav1.NamespaceSystem

	// The lengths are those that Kubernetes demands.
	idLength     = 6
	secretLength = 16
)

// Token is a bootstrap token. Its ID is public. Its Secret is written nowhere but into the
// Kubernetes secret that makes the token valid, and into the launch message.
type Token struct{ ID, Secret string }

// New returns a random token. It is valid only after [Issuer.Issue].
func New() Token {
	return Token{ID: randomText(idLength), Secret: randomText(secretLength)}
}

// String returns the token as a kubelet presents it: ID, dot, secret.
func (t Token) String() string { return t.ID + "." + t.Secret }

// Expiry returns the time at which the token of a task expires.
func Expiry(task *v1alpha1.MesosTask) time.Time { return task.IntentTime.Add(Lifetime) }

// +kubebuilder:rbac:groups="",namespace=kube-system,resources=secrets,verbs=create;delete

// Issuer issues and revokes bootstrap tokens.
type Issuer struct {
	// Writer creates and deletes secrets in kube-system.
	Writer client.Writer
}

// Issue makes the token valid for the node. The node's status.task must already hold the
// token's ID, so that every token that exists can be revoked.
func (i Issuer) Issue(ctx context.Context, node *v1alpha1.MesosNode, token Token) error {
	if node.Status.Task == nil || node.Status.Task.BootstrapTokenID != token.ID {
		return fmt.Errorf("issuing a bootstrap token: MesosNode %s does not have its ID on record", node.Name)
	}
	if err := i.Writer.Create(ctx, newSecret(node, token)); err != nil {
		return fmt.Errorf("creating a bootstrap token: %w", err)
	}
	return nil
}

// Revoke makes the token of the node's current attempt invalid. It is no error if there is
// no such token.
func (i Issuer) Revoke(ctx context.Context, node *v1alpha1.MesosNode) error {
	if node.Status.Task == nil || node.Status.Task.BootstrapTokenID == "" {
		return nil
	}
	return i.RevokeID(ctx, node.Status.Task.BootstrapTokenID)
}

// RevokeID makes the token with this ID invalid. It is no error if there is no such token.
func (i Issuer) RevokeID(ctx context.Context, id string) error {
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: secretNamespace, Name: secretName(id)}}
	if err := i.Writer.Delete(ctx, secret); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("deleting a bootstrap token: %w", err)
	}
	return nil
}

func newSecret(node *v1alpha1.MesosNode, token Token) *corev1.Secret {
	task := node.Status.Task
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: secretNamespace,
			Name:      secretName(token.ID),
			Labels:    map[string]string{"app.kubernetes.io/managed-by": "k8sm"},
		},
		Type: corev1.SecretTypeBootstrapToken,
		StringData: map[string]string{
			"description":                    fmt.Sprintf("First certificate of MesosNode %s, task %s.", node.Name, task.ID),
			"token-id":                       token.ID,
			"token-secret":                   token.Secret,
			"expiration":                     Expiry(task).UTC().Format(time.RFC3339),
			"usage-bootstrap-authentication": "true",
			"auth-extra-groups":              v1alpha1.BootstrapGroup,
		},
	}
}

func secretName(tokenID string) string { return "bootstrap-token-" + tokenID }

// randomText returns characters that a token may have, with five random bits in each.
func randomText(length int) string { return strings.ToLower(rand.Text())[:length] }
