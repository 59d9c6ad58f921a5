package patch

import (
	"context"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

// ConflictRetry is the time after which a reconcile is repeated that met a conflict. The
// event that the cache waits for usually comes first.
const ConflictRetry = time.Second

// Object writes what differs between before, as it was read, and after, but for the status.
// After becomes what the API server answers. It is a conflict if the object has changed since
// before.
func Object(ctx context.Context, writer client.Writer, before, after client.Object) error {
	return writer.Patch(ctx, after, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}))
}

// Status writes what differs between the status of before, as it was read, and that of after.
// After becomes what the API server answers. It is a conflict if the object has changed since
// before.
func Status(ctx context.Context, writer client.StatusClient, before, after client.Object) error {
	return writer.Status().Patch(ctx, after, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}))
}

// StatusUnlocked is Status without conflicts: for parts of a status with a single writer.
func StatusUnlocked(ctx context.Context, writer client.StatusClient, before, after client.Object) error {
	return writer.Status().Patch(ctx, after, client.MergeFrom(before))
}

// AddFinalizer adds the finalizer to the object, there and here, and reports whether it was
// missing. The object must be as it was read. It is a conflict if it has changed since.
func AddFinalizer(ctx context.Context, writer client.Writer, object client.Object, finalizer string) (added bool, err error) {
	before, ok := object.DeepCopyObject().(client.Object)
	if !ok || !controllerutil.AddFinalizer(object, finalizer) {
		return false, nil
	}
	if err := Object(ctx, writer, before, object); err != nil {
		return false, fmt.Errorf("adding the finalizer: %w", err)
	}
	return true, nil
}

// RemoveFinalizer removes the finalizer from the object at the API server, from the very
// state that was read. It is a conflict if the object has changed since, and a not-found error
// if it is gone. The object here is left as it is.
func RemoveFinalizer(ctx context.Context, writer client.Writer, object client.Object, finalizer string) error {
	released, ok := object.DeepCopyObject().(client.Object)
	if !ok || !controllerutil.RemoveFinalizer(released, finalizer) {
		return nil
	}
	if err := Object(ctx, writer, object, released); err != nil {
		return fmt.Errorf("removing the finalizer: %w", err)
	}
	return nil
}

// Result is the answer of a reconcile to its queue: reconcile again after requeueAfter, 0 for not
// until an event comes. A conflict is no failure, since the cache lags behind another writer,
// or behind this one: the reconcile is repeated after ConflictRetry. Other errors are returned,
// and the queue backs off.
func Result(requeueAfter time.Duration, err error) (reconcile.Result, error) {
	switch {
	case err == nil:
		return reconcile.Result{RequeueAfter: requeueAfter}, nil
	case apierrors.IsConflict(err):
		return reconcile.Result{RequeueAfter: ConflictRetry}, nil
	}
	return reconcile.Result{}, err
}
