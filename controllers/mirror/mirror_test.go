package mirror

import (
	"context"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/controllers/catalogue"
	"github.com/k8sm/k8sm/controllers/nodetemplate"
	"github.com/k8sm/k8sm/mesos/nodeapi"
)

// The secret is read each time, and needs no label.
func TestCredentialsAreReadFromTheSecretEachTime(t *testing.T) {
	ctx := context.Background()
	store := fake.NewClientBuilder().Build()
	runtime := nodetemplate.Runtime{Mirror: "https://mirror.example:8443/k8sm", MirrorCredentials: &nodetemplate.MirrorCredentials{
		Type: v1alpha1.CredentialsBearer, SecretRef: v1alpha1.SecretReference{Name: "mirror"}}}
	reader := Reader{Client: store, Namespace: "k8sm-system", Runtimes: catalogue.New(runtime)}

	if _, err := reader.Credentials(ctx); err == nil || !strings.Contains(err.Error(), `"mirror" not found`) {
		t.Errorf("without the secret got %v", err)
	}
	login := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "k8sm-system", Name: "mirror"}, Data: map[string][]byte{"username": []byte("s3cret")}}
	if err := store.Create(ctx, login); err != nil {
		t.Fatal(err)
	}
	if _, err := reader.Credentials(ctx); err == nil || !strings.Contains(err.Error(), `the secret "mirror", which mirrorCredentials`) || strings.Contains(err.Error(), "s3cret") {
		t.Errorf("without a token got %v", err)
	}
	for _, token := range []string{"one", "two"} {
		login.Data = map[string][]byte{"token": []byte(token)}
		if err := store.Update(ctx, login); err != nil {
			t.Fatal(err)
		}
		got, err := reader.Credentials(ctx)
		if err != nil {
			t.Fatal(err)
		}
		want := &nodeapi.ServerCredentials{Server: "https://mirror.example:8443", Authorization: "Bearer " + token}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("credentials (-want +got):\n%s", diff)
		}
	}
}

func TestAFileWithoutCredentialsNeedsNoSecret(t *testing.T) {
	reader := Reader{Client: fake.NewClientBuilder().Build(), Namespace: "k8sm-system", Runtimes: catalogue.New(nodetemplate.Runtime{Mirror: "https://mirror.example"})}
	if got, err := reader.Credentials(context.Background()); got != nil || err != nil {
		t.Errorf("got %v, %v", got, err)
	}
}
