package identity

import (
	"context"
	"regexp"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
)

func TestTokensLookAsKubernetesWantsThem(t *testing.T) {
	form := regexp.MustCompile(`^[a-z0-9]{6}\.[a-z0-9]{16}$`)
	seen := map[Token]bool{}
	for range 100 {
		token := NewToken()
		if !form.MatchString(token.String()) || seen[token] {
			t.Fatalf("%q is no token, or was made twice", token)
		}
		seen[token] = true
	}
}

func TestIssueAndRevoke(t *testing.T) {
	ctx := context.Background()
	c := fake.NewClientBuilder().WithScheme(newScheme(t)).Build()
	tokens := Tokens{Writer: c}
	node := newNode()
	token := Token{ID: tokenID, Secret: "0123456789abcdef"}
	if err := tokens.Issue(ctx, node, token); err != nil {
		t.Fatal(err)
	}
	var secret corev1.Secret
	key := client.ObjectKey{Namespace: "kube-system", Name: "bootstrap-token-abc123"}
	if err := c.Get(ctx, key, &secret); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"description":                    "First certificate of MesosNode general-x7k2p, task general-x7k2p.0f1e2d3c.1.",
		"token-id":                       "abc123",
		"token-secret":                   "0123456789abcdef",
		"expiration":                     "2026-03-01T12:15:00Z",
		"usage-bootstrap-authentication": "true",
		"auth-extra-groups":              "system:bootstrappers:k8sm",
	}
	if diff := cmp.Diff(want, secret.StringData); diff != "" {
		t.Errorf("secret (-want +got):\n%s", diff)
	}
	if secret.Type != "bootstrap.kubernetes.io/token" {
		t.Errorf("the secret's type is %q", secret.Type)
	}
	for range 2 { // the second time there is none
		if err := tokens.Revoke(ctx, node); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Get(ctx, key, &secret); !apierrors.IsNotFound(err) {
		t.Errorf("the token is still good: %v", err)
	}
}

func TestATokenIsIssuedOnlyForTheRecordThatBearsIt(t *testing.T) {
	tokens := Tokens{Writer: fake.NewClientBuilder().WithScheme(newScheme(t)).Build()}
	node := newNode()
	if err := tokens.Issue(context.Background(), node, Token{ID: "zzz999", Secret: "0123456789abcdef"}); err == nil {
		t.Error("a token was issued that nobody could revoke")
	}
	node.Status.Task = nil
	if err := tokens.Issue(context.Background(), node, NewToken()); err == nil {
		t.Error("a token was issued for a node without a task")
	}
	if err := tokens.Revoke(context.Background(), node); err != nil {
		t.Errorf("revoking nothing: %v", err)
	}
}
