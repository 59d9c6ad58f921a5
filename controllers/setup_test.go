package controllers

import (
	"context"
	"testing"

	certificatesv1 "k8s.io/api/certificates/v1"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/controllers/sessions"
)

func TestSchemeHasTheTypesOfAllControllers(t *testing.T) {
	scheme := Scheme()
	for _, object := range []runtime.Object{
		&v1alpha1.MesosFramework{}, &v1alpha1.MesosNodePool{}, &v1alpha1.MesosNode{}, &v1alpha1.MesosNodeList{},
		&corev1.Node{}, &corev1.Pod{}, &corev1.Secret{}, &policyv1.Eviction{}, &policyv1.PodDisruptionBudget{},
		&certificatesv1.CertificateSigningRequest{}, &eventsv1.Event{},
	} {
		if kinds, _, err := scheme.ObjectKinds(object); err != nil || len(kinds) != 1 {
			t.Errorf("%T has the kinds %v: %v", object, kinds, err)
		}
	}
}

// idleSession is a session that only runs.
type idleSession struct{ sessions.Session }

func (idleSession) Run(ctx context.Context) error { <-ctx.Done(); return nil }

// An interface that holds a nil pointer is not nil: it would be taken for a session.
func TestFrameworkWithoutASessionHasNone(t *testing.T) {
	registry := sessions.NewRegistry()
	defer registry.Close()
	if session, ok := (frameworks{registry}).Get("default"); ok || session != nil {
		t.Errorf("got %v, %t before a session has begun", session, ok)
	}
	if _, err := registry.Begin("default", idleSession{}); err != nil {
		t.Fatal(err)
	}
	if session, ok := (frameworks{registry}).Get("default"); !ok || session == nil {
		t.Errorf("got %v, %t of a running session", session, ok)
	}
	if _, ok := (frameworks{registry}).Get("other"); ok {
		t.Error("another framework has the session")
	}
}
