package mesosframework

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/controllers/catalogue"
	"github.com/k8sm/k8sm/controllers/nodetemplate"
	"github.com/k8sm/k8sm/controllers/sessions"
	"github.com/k8sm/k8sm/mesos/nodeapi"
)

// Without the secret nothing is launched.
func TestNodesGetTheCredentialsForTheMirror(t *testing.T) {
	runtime := nodeDefaults().Runtime
	runtime.Mirror = "https://mirror.example/k8sm"
	runtime.MirrorCredentials = &nodetemplate.MirrorCredentials{Type: v1alpha1.CredentialsBearer, SecretRef: v1alpha1.SecretReference{Name: "mirror"}}
	s := newFixture(t, newFramework("default"))
	s.reconciler.Runtimes = catalogue.New(runtime)
	build := s.reconciler.payloadBuilder(nodeDefaults(), []string{"m:5050"}, new(atomic.Pointer[sessions.Entry]))
	const token = "abcdef.0123456789abcdef"
	if _, err := build(context.Background(), newNode(), newIntent(), token); err == nil || !strings.Contains(err.Error(), `"mirror" not found`) {
		t.Errorf("without the secret got %v", err)
	}
	if err := s.client.Create(context.Background(), secret("mirror", map[string]string{"token": "t0ken"})); err != nil {
		t.Fatal(err)
	}
	payload, err := build(context.Background(), newNode(), newIntent(), token)
	if err != nil {
		t.Fatal(err)
	}
	message, err := nodeapi.DecodeLaunchSpec(payload.Data)
	if err != nil || message.MirrorCredentials == nil || message.MirrorCredentials.Authorization != "Bearer t0ken" {
		t.Errorf("got %+v, %v", message, err)
	}
}
