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

// Token is a bootstrap token: its ID is public, its secret is never written down but
// in the secret that makes it good.
type Token struct{ ID, Secret string }

// NewToken makes a token up. It is good for nothing before it is issued.
func NewToken() Token {
	return Token{ID: randomText(tokenIDLength), Secret: randomText(tokenSecretLength)}
}

// String is the token as a kubelet presents it.
func (t Token) String() string { return t.ID + "." + t.Secret }

// Issue makes the token good, for the node whose status.task already bears its ID:
// every token that exists can be revoked.
func (t Tokens) Issue(ctx context.Context, node *v1alpha1.MesosNode, token Token) error {
	if node.Status.Task == nil || node.Status.Task.BootstrapTokenID != token.ID {
		return fmt.Errorf("issuing a bootstrap token: MesosNode %s does not have its ID on record", node.Name)
	}
	if err := t.Writer.Create(ctx, tokenSecret(node, token)); err != nil {
		return fmt.Errorf("creating a bootstrap token: %w", err)
	}
	return nil
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

func tokenSecret(node *v1alpha1.MesosNode, token Token) *corev1.Secret {
	task := node.Status.Task
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: tokenNamespace,
			Name:      secretName(token.ID),
			Labels:    map[string]string{"app.kubernetes.io/managed-by": "k8sm"},
		},
		Type: corev1.SecretTypeBootstrapToken,
		StringData: map[string]string{
			"description":                    fmt.Sprintf("First certificate of MesosNode %s, task %s.", node.Name, task.ID),
			"token-id":                       token.ID,
			"token-secret":                   token.Secret,
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
