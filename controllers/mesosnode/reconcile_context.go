package mesosnode

import (
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/controllers/nodemodel"
	"github.com/k8sm/k8sm/controllers/patch"
)

// reconcileContext is the state of one reconcile of one node: what was read, what is to be
// written about it, and what is to be done once that is written.
type reconcileContext struct {
	// before is the MesosNode as it was read; node is the copy whose status the steps
	// change.
	before, node *v1alpha1.MesosNode
	// kubeNode is the Node that has the MesosNode's name, nil when there is none.
	kubeNode *corev1.Node
	// pool is the MesosNodePool that controls the MesosNode, nil when there is none. It has the
	// settings that apply in place.
	pool *v1alpha1.MesosNodePool
	// framework is the MesosFramework, nil when there is none.
	framework *v1alpha1.MesosFramework
	// session is the framework's, nil when there is none.
	session Session
	// now is the time of the whole reconcile.
	now time.Time

	// forcedRelease is true when a person lets the node go although its task may run.
	forcedRelease bool
	// recordGone is true when the MesosNode itself is gone: there is no status to write.
	recordGone bool
	// requeue is the time after which the node is reconciled again without an event, 0 for
	// never.
	requeue time.Duration
	// effects run in order after the status is written: they are true only then.
	effects []func(context.Context) error
}

// observe reads the state that a reconcile goes by, all of it from the cache.
func (r *Reconciler) observe(ctx context.Context, node *v1alpha1.MesosNode) (*reconcileContext, error) {
	rc := &reconcileContext{before: node.DeepCopy(), node: node, now: r.Now()}
	object := &corev1.Node{}
	switch err := r.Client.Get(ctx, client.ObjectKey{Name: node.Name}, object); {
	case err == nil:
		rc.kubeNode = object
	case !apierrors.IsNotFound(err):
		return nil, fmt.Errorf("reading Node %s: %w", node.Name, err)
	}
	pool, err := r.readPool(ctx, node)
	if err != nil {
		return nil, err
	}
	rc.pool = pool
	framework := &v1alpha1.MesosFramework{}
	switch err := r.Client.Get(ctx, client.ObjectKey{Name: node.Spec.FrameworkRef.Name}, framework); {
	case err == nil:
		rc.framework = framework
	case !apierrors.IsNotFound(err):
		return nil, fmt.Errorf("reading MesosFramework %s: %w", node.Spec.FrameworkRef.Name, err)
	}
	if session, ok := r.Sessions.Get(node.Spec.FrameworkRef.Name); ok {
		rc.session = session
	}
	return rc, nil
}

// finish writes the status if it changed, then runs the effects, which must wait for that.
func (r *Reconciler) finish(ctx context.Context, rc *reconcileContext, err error) (reconcile.Result, error) {
	if errors.Is(err, errStop) {
		err = nil
	}
	if written := r.writeStatus(ctx, rc); written != nil {
		return patch.Result(rc.requeue, errors.Join(err, client.IgnoreNotFound(written)))
	}
	for _, effect := range rc.effects {
		err = errors.Join(err, effect(ctx))
	}
	return patch.Result(rc.requeue, err)
}

// writeStatus patches the status if it changed. A reconcile that went by a cache that lags
// writes nothing, and meets a conflict.
func (r *Reconciler) writeStatus(ctx context.Context, rc *reconcileContext) error {
	rc.node.Status.ObservedGeneration = rc.node.Generation
	if rc.recordGone || equality.Semantic.DeepEqual(rc.before.Status, rc.node.Status) {
		return nil
	}
	if err := patch.Status(ctx, r.Client, rc.before, rc.node); err != nil {
		return fmt.Errorf("writing status: %w", err)
	}
	return nil
}

// requeueWithin has the node reconciled again after d at the latest.
func (rc *reconcileContext) requeueWithin(d time.Duration) {
	if rc.requeue == 0 || d < rc.requeue {
		rc.requeue = max(d, time.Millisecond)
	}
}

// addEffect makes the effect run once the status is written.
func (rc *reconcileContext) addEffect(effect func(context.Context) error) {
	rc.effects = append(rc.effects, effect)
}

// addEffectWithoutError is addEffect for effects that cannot fail.
func (rc *reconcileContext) addEffectWithoutError(effect func(context.Context)) {
	rc.addEffect(func(ctx context.Context) error { effect(ctx); return nil })
}

// setCondition sets a condition, and reports whether it became True by that.
func (rc *reconcileContext) setCondition(kind string, status metav1.ConditionStatus, reason, message string) bool {
	was := meta.IsStatusConditionTrue(rc.node.Status.Conditions, kind)
	meta.SetStatusCondition(&rc.node.Status.Conditions, metav1.Condition{
		Type:               kind,
		Status:             status,
		Reason:             reason,
		Message:            message,
		ObservedGeneration: rc.node.Generation,
		LastTransitionTime: metav1.NewTime(rc.now),
	})
	return !was && status == metav1.ConditionTrue
}

// condition returns a condition as the steps before have left it; one that was never set has
// no status and no reason.
func (rc *reconcileContext) condition(kind string) metav1.Condition {
	return nodemodel.Condition(rc.node, kind)
}

// hasCurrentNode reports whether there is a Node that the current task registered.
func (rc *reconcileContext) hasCurrentNode() bool {
	return rc.kubeNode != nil && rc.node.Status.Task != nil && rc.kubeNode.Spec.ProviderID == nodemodel.CurrentProviderID(rc.node)
}

// hasForeignNode reports whether there is a Node that no task of this MesosNode registered.
func (rc *reconcileContext) hasForeignNode() bool {
	return rc.kubeNode != nil && nodemodel.AttemptOf(rc.node, rc.kubeNode.Spec.ProviderID) == 0
}

// hasRegistered reports whether the current task ever became a Node.
func (rc *reconcileContext) hasRegistered() bool {
	id := nodemodel.CurrentProviderID(rc.node)
	return id != "" && (rc.node.Status.ProviderID == id || rc.hasCurrentNode())
}

// taskMayRun reports whether there is a task that is not known to have ended.
func (rc *reconcileContext) taskMayRun() bool {
	return nodemodel.MayRun(rc.node)
}
