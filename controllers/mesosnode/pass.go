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
)

// conflictRetry is when a pass is repeated that was made with a cache that lags. The
// event that the cache waits for usually comes first.
const conflictRetry = time.Second

// pass is one look at one node: what was seen, what is to be written about it, and
// what is to be done once that is written.
type pass struct {
	// before is the MesosNode as it was read; node is the copy whose status the steps
	// change.
	before, node *v1alpha1.MesosNode
	// object is the Node that bears the MesosNode's name, nil when there is none.
	object *corev1.Node
	// framework is the MesosFramework, nil when there is none.
	framework *v1alpha1.MesosFramework
	// session is the framework's, nil when there is none.
	session Framework
	// now is the one time that the whole pass goes by.
	now time.Time

	// forced says that a person lets the node go although its task may run.
	forced bool
	// gone says that the record itself is gone: there is no status to write.
	gone bool
	// requeue is when to look again though nothing happens, 0 for never.
	requeue time.Duration
	// effects are done in order after the status is written: they are true only then.
	effects []func(context.Context) error
}

// observe reads what a pass goes by, all of it from the cache.
func (r *Reconciler) observe(ctx context.Context, node *v1alpha1.MesosNode) (*pass, error) {
	p := &pass{before: node.DeepCopy(), node: node, now: r.Now()}
	object := &corev1.Node{}
	switch err := r.Client.Get(ctx, client.ObjectKey{Name: node.Name}, object); {
	case err == nil:
		p.object = object
	case !apierrors.IsNotFound(err):
		return nil, fmt.Errorf("reading Node %s: %w", node.Name, err)
	}
	framework := &v1alpha1.MesosFramework{}
	switch err := r.Client.Get(ctx, client.ObjectKey{Name: node.Spec.FrameworkRef.Name}, framework); {
	case err == nil:
		p.framework = framework
	case !apierrors.IsNotFound(err):
		return nil, fmt.Errorf("reading MesosFramework %s: %w", node.Spec.FrameworkRef.Name, err)
	}
	if session, ok := r.Frameworks.Get(node.Spec.FrameworkRef.Name); ok {
		p.session = session
	}
	return p, nil
}

// finish writes the status if it changed, then does what was waiting for that.
func (r *Reconciler) finish(ctx context.Context, p *pass, err error) (reconcile.Result, error) {
	if errors.Is(err, errStop) {
		err = nil
	}
	if written := r.writeStatus(ctx, p); written != nil {
		return outcome(p, errors.Join(err, client.IgnoreNotFound(written)))
	}
	for _, effect := range p.effects {
		err = errors.Join(err, effect(ctx))
	}
	return outcome(p, err)
}

// writeStatus patches the status if it changed. The patch holds the resource version
// of what was read: a pass that went by a cache that lags writes nothing.
func (r *Reconciler) writeStatus(ctx context.Context, p *pass) error {
	p.node.Status.ObservedGeneration = p.node.Generation
	if p.gone || equality.Semantic.DeepEqual(p.before.Status, p.node.Status) {
		return nil
	}
	patch := client.MergeFromWithOptions(p.before, client.MergeFromWithOptimisticLock{})
	if err := r.Client.Status().Patch(ctx, p.node, patch); err != nil {
		return fmt.Errorf("writing status: %w", err)
	}
	return nil
}

// outcome tells the queue when to come again. A conflict is no failure: the cache lags
// behind another writer, or behind ourselves.
func outcome(p *pass, err error) (reconcile.Result, error) {
	switch {
	case err == nil:
		return reconcile.Result{RequeueAfter: p.requeue}, nil
	case apierrors.IsConflict(err):
		return reconcile.Result{RequeueAfter: conflictRetry}, nil
	}
	return reconcile.Result{}, err
}

// again asks for another look after d at the latest.
func (p *pass) again(d time.Duration) {
	if p.requeue == 0 || d < p.requeue {
		p.requeue = max(d, time.Millisecond)
	}
}

// then has the effect done once the status is written.
func (p *pass) then(effect func(context.Context) error) {
	p.effects = append(p.effects, effect)
}

// do is then, for effects that cannot fail.
func (p *pass) do(effect func(context.Context)) {
	p.then(func(ctx context.Context) error { effect(ctx); return nil })
}

// set sets a condition, and tells whether it became True by that.
func (p *pass) set(kind string, status metav1.ConditionStatus, reason, message string) bool {
	was := meta.IsStatusConditionTrue(p.node.Status.Conditions, kind)
	meta.SetStatusCondition(&p.node.Status.Conditions, metav1.Condition{
		Type:               kind,
		Status:             status,
		Reason:             reason,
		Message:            message,
		ObservedGeneration: p.node.Generation,
		LastTransitionTime: metav1.NewTime(p.now),
	})
	return !was && status == metav1.ConditionTrue
}

// condition returns a condition as the pass has it now; one that was never set has no
// status and no reason.
func (p *pass) condition(kind string) metav1.Condition {
	if c := meta.FindStatusCondition(p.node.Status.Conditions, kind); c != nil {
		return *c
	}
	return metav1.Condition{Type: kind}
}

// ours tells whether the Node there is was registered by the node's current task.
func (p *pass) ours() bool {
	return p.object != nil && p.node.Status.Task != nil && p.object.Spec.ProviderID == nodemodel.CurrentProviderID(p.node)
}

// foreign tells whether the Node there is was not made for this MesosNode at all.
func (p *pass) foreign() bool {
	return p.object != nil && nodemodel.AttemptOf(p.node, p.object.Spec.ProviderID) == 0
}

// registered tells whether the current task ever became a Node.
func (p *pass) registered() bool {
	id := nodemodel.CurrentProviderID(p.node)
	return id != "" && (p.node.Status.ProviderID == id || p.ours())
}

// mayRun tells whether there is a task that is not known to have ended.
func (p *pass) mayRun() bool {
	return p.node.Status.Task != nil && !nodemodel.HasEnded(p.node.Status.Task)
}
