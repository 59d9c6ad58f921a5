package nodemodel

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/k8sm/k8sm/api/v1alpha1"
)

func TestTaskIDRoundTrip(t *testing.T) {
	for _, name := range []string{"a", "general-x7k2p", "with.dots.1"} {
		node := &v1alpha1.MesosNode{ObjectMeta: metav1.ObjectMeta{Name: name, UID: "0f1e2d3c-4b5a-6978"}}
		id := TaskID(node, 12)
		if got, ok := NameOf(id); !ok || got != name {
			t.Errorf("NameOf(%q) = %q, %t, want %q", id, got, ok, name)
		}
		if got := AttemptOf(node, ProviderID("S1", id)); got != 12 {
			t.Errorf("attempt of %q is %d, want 12", id, got)
		}
	}
}

func TestForeignTaskIDsAreRejected(t *testing.T) {
	for _, id := range []string{"", "spark", "a.b", "a.b.c", "a.b.0", "a..1", ".b.1", "a.0123456789.1", "a.b.-1", "a.b.99999999999"} {
		if name, ok := NameOf(id); ok {
			t.Errorf("NameOf(%q) = %q, want none", id, name)
		}
	}
}
