package bootstraptoken

import (
	"context"
	"errors"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/k8sm/k8sm/api/v1alpha1"
)

// noon is the time at which the intent to launch was written.
var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

const tokenID = "abc123"

func newClient(t *testing.T, funcs interceptor.Funcs) client.Client {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := clientgoscheme.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	return fake.NewClientBuilder().WithScheme(scheme).WithInterceptorFuncs(funcs).Build()
}

func newNode() *v1alpha1.MesosNode {
	return &v1alpha1.MesosNode{
		ObjectMeta: metav1.ObjectMeta{Name: "general-x7k2p"},
		Status: v1alpha1.MesosNodeStatus{Task: &v1alpha1.MesosTask{
			ID: "general-x7k2p.0f1e2d3c.1", BootstrapTokenID: tokenID, IntentTime: metav1.NewTime(noon),
		}},
	}
}

func TestTokenSecretHasTheFormatOfKubernetes(t *testing.T) {
	form := regexp.MustCompile(`^[a-z0-9]{6}\.[a-z0-9]{16}$`)
	seen := map[Token]bool{}
	for range 100 {
		token := New()
		if !form.MatchString(token.String()) || seen[token] {
			t.Fatalf("%q is no token, or was made twice", token)
		}
		seen[token] = true
	}
}

func TestIssueAndRevoke(t *testing.T) {
	ctx := context.Background()
	c := newClient(t, interceptor.Funcs{})
	tokens := Issuer{Writer: c}
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

func TestTokenIsIssuedOnlyForARecordWithItsID(t *testing.T) {
	tokens := Issuer{Writer: newClient(t, interceptor.Funcs{})}
	node := newNode()
	if err := tokens.Issue(context.Background(), node, Token{ID: "zzz999", Secret: "0123456789abcdef"}); err == nil {
		t.Error("a token was issued that cannot be revoked")
	}
	node.Status.Task = nil
	if err := tokens.Issue(context.Background(), node, New()); err == nil {
		t.Error("a token was issued for a node without a task")
	}
	if err := tokens.Revoke(context.Background(), node); err != nil {
		t.Errorf("revoking nothing: %v", err)
	}
}

func TestRevokeIDDeletesNoOtherToken(t *testing.T) {
	ctx := context.Background()
	c := newClient(t, interceptor.Funcs{})
	tokens := Issuer{Writer: c}
	for _, id := range []string{"abc123", "abc124"} {
		node := newNode()
		node.Status.Task.BootstrapTokenID = id
		if err := tokens.Issue(ctx, node, Token{ID: id, Secret: "0123456789abcdef"}); err != nil {
			t.Fatal(err)
		}
	}
	if err := tokens.RevokeID(ctx, "abc123"); err != nil {
		t.Fatal(err)
	}
	var left corev1.SecretList
	if err := c.List(ctx, &left); err != nil {
		t.Fatal(err)
	}
	if len(left.Items) != 1 || left.Items[0].Name != "bootstrap-token-abc124" {
		t.Errorf("left are %v", left.Items)
	}
}

func TestErrorsOfTheAPIServerAreReturned(t *testing.T) {
	refused := errors.New("no role")
	tokens := Issuer{Writer: newClient(t, interceptor.Funcs{
		Create: func(context.Context, client.WithWatch, client.Object, ...client.CreateOption) error { return refused },
		Delete: func(context.Context, client.WithWatch, client.Object, ...client.DeleteOption) error { return refused },
	})}
	for want, err := range map[string]error{
		"creating a bootstrap token": tokens.Issue(context.Background(), newNode(), Token{ID: tokenID}),
		"deleting a bootstrap token": tokens.Revoke(context.Background(), newNode()),
	} {
		if !errors.Is(err, refused) || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("got %v, want %q and the API server's error", err, want)
		}
	}
}

func TestATokenExpiresALifetimeAfterTheIntent(t *testing.T) {
	if got, want := Expiry(newNode().Status.Task), noon.Add(15*time.Minute); !got.Equal(want) {
		t.Errorf("it expires at %s, want %s", got, want)
	}
}
