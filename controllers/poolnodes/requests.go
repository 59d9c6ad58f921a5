package poolnodes

import (
	"context"

	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/k8sm/k8sm/api/v1alpha1"
)

// Requests returns requests for the pools that a change concerns, from the cache. There are few
// pools. If they cannot be listed that is logged, and there are none.
func Requests(ctx context.Context, cache client.Reader, concerns func(*v1alpha1.MesosNodePool) bool) (requests []reconcile.Request) {
	var pools v1alpha1.MesosNodePoolList
	if err := cache.List(ctx, &pools, client.UnsafeDisableDeepCopy); err != nil {
		log.FromContext(ctx).Error(err, "Listing the pools that a change concerns failed")
		return nil
	}
	for i := range pools.Items {
		if concerns(&pools.Items[i]) {
			requests = append(requests, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(&pools.Items[i])})
		}
	}
	return requests
}
