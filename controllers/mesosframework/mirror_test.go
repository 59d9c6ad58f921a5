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

// The secret is read for each launch, and needs no label. Without it nothing is launched.
func TestNodesGetTheCredentialsForTheMirror(t *testing.T) {
	defaults := nodeDefaults()
	defaults.Runtime.Mirror = "https://mirror.example/k8sm"
	defaults.Runtime.MirrorCredentials = &nodetemplate.MirrorCredentials{Type: v1alpha1.CredentialsBearer, SecretRef: v1alpha1.SecretReference{Name: "mirror"}}
	s := newFixture(t, newFramework("default"))
	s.reconcile("default")
	authorize := func() (string, error) {
		return s.reconciler.readMirrorAuthorization(context.Background(), defaults.Runtime.MirrorCredentials)
	}
	if _, err := authorize(); err == nil || !strings.Contains(err.Error(), `"mirror" not found`) {
		t.Errorf("without the secret got %v", err)
	}
	login := secret("mirror", map[string]string{"username": "s3cret"})
	login.Labels = nil
	if err := s.client.Create(context.Background(), login); err != nil {
		t.Fatal(err)
	}
	if _, err := authorize(); err == nil || !strings.Contains(err.Error(), `the secret "mirror", which mirrorCredentials`) || strings.Contains(err.Error(), "s3cret") {
		t.Errorf("without a token got %v", err)
	}
	for _, token := range []string{"one", "two"} {
		login.Data = map[string][]byte{"token": []byte(token)}
		if err := s.client.Update(context.Background(), login); err != nil {
			t.Fatal(err)
		}
		if got, err := authorize(); err != nil || got != "Bearer "+token {
			t.Errorf("got %q, %v", got, err)
		}
	}
	if got, err := s.reconciler.readMirrorAuthorization(context.Background(), nil); got != "" || err != nil {
		t.Errorf("where no credentials are named got %q, %v", got, err)
	}

	s.reconciler.Runtimes = catalogue.New(defaults.Runtime)
	build := s.reconciler.payloadBuilder(defaults, []string{"m:5050"}, new(atomic.Pointer[sessions.Entry]))
	payload, err := build(context.Background(), newNode(), newIntent(), "abcdef.0123456789abcdef")
	if err != nil {
		t.Fatal(err)
	}
	message, err := nodeapi.DecodeLaunchSpec(payload.Data)
	if err != nil || message.MirrorCredentials == nil || message.MirrorCredentials.Authorization != "Bearer two" {
		t.Errorf("got %+v, %v", message, err)
	}
}
