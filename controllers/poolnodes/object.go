package poolnodes

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/controllers/nodemodel"
)

// Object returns the Node that the current task of a MesosNode registered, from the cache; nil if
// there is none. It is the cache's own: it must not be changed.
func Object(ctx context.Context, cache client.Reader, n *v1alpha1.MesosNode) (*corev1.Node, error) {
	if n.Status.Task == nil {
		return nil, nil
	}
	object := &corev1.Node{}
	switch err := cache.Get(ctx, client.ObjectKey{Name: n.Name}, object, client.UnsafeDisableDeepCopy); {
	case apierrors.IsNotFound(err):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("reading Node %s: %w", n.Name, err)
	case object.Spec.ProviderID != nodemodel.CurrentProviderID(n):
		return nil, nil
	}
	return object, nil
}
