package mesosnodepool

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/controllers/nodemodel"
)

const (
	// batch bounds how many nodes one pass creates or deletes; the next follows at once.
	batch = 100
	// atOnce, soon and later are when a pool is looked at again although no event came:
	// to go on with the next batch; to see what the cache does not show yet; to ask
	// what agents have while nodes wait in vain.
	atOnce = time.Millisecond
	soon   = time.Second
	later  = time.Minute
	// surveyTimeout bounds the question: a master that hangs does not hold a worker.
	surveyTimeout = 5 * time.Second
)

// Options are what a Reconciler is made of. All are needed.
type Options struct {
	// Client reads from the manager's cache and writes to the API server.
	Client client.Client
	// Nodes reads, creates and deletes the nodes of pools.
	Nodes Nodes
	// Agents knows what could be had of the agents of a cluster.
	Agents Agents
	// Artifacts knows what the operator supplies.
	Artifacts Artifacts
	// Recorder takes events.
	Recorder events.EventRecorder
	// Now is the clock.
	Now func() time.Time
}

// Reconciler keeps as many MesosNodes as each MesosNodePool asks for.
type Reconciler struct {
	Options
}

// NewReconciler returns a Reconciler that SetupWithManager makes run.
func NewReconciler(options Options) *Reconciler {
	return &Reconciler{Options: options}
}

// +kubebuilder:rbac:groups=k8sm.io,resources=mesosnodepools,verbs=get;list;watch;patch
// +kubebuilder:rbac:groups=k8sm.io,resources=mesosnodepools/status,verbs=patch
// +kubebuilder:rbac:groups=k8sm.io,resources=mesosnodepools/finalizers,verbs=update
// +kubebuilder:rbac:groups=k8sm.io,resources=mesosnodes,verbs=get;list;watch;create;delete
// +kubebuilder:rbac:groups=k8sm.io,resources=mesosnodes/status,verbs=patch
// +kubebuilder:rbac:groups=k8sm.io,resources=mesosframeworks,verbs=get;list;watch
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch

// Reconcile looks at one pool: what there is, what to do about it, and how it fares.
func (r *Reconciler) Reconcile(ctx context.Context, req reconcile.Request) (reconcile.Result, error) {
	pool := &v1alpha1.MesosNodePool{}
	if err := r.Client.Get(ctx, req.NamespacedName, pool); err != nil {
		if apierrors.IsNotFound(err) {
			r.forget(req.Name)
		}
		return reconcile.Result{}, client.IgnoreNotFound(err)
	}
	if !pool.DeletionTimestamp.IsZero() && !controllerutil.ContainsFinalizer(pool, v1alpha1.FinalizerNodes) {
		return reconcile.Result{}, nil
	}
	if err := r.finalize(ctx, pool); err != nil {
		return outcome(0, err)
	}
	seen, err := r.observe(ctx, pool)
	if err != nil {
		return reconcile.Result{}, err
	}
	situation := seen.situation()
	plan := Decide(situation)
	acted := errors.Join(r.act(ctx, pool, plan), r.upgrade(ctx, seen.kubelets()))
	if acted == nil {
		r.toldLost(pool, situation.Lost[:min(len(situation.Lost), batch)])
	}
	if seen, err = r.observe(ctx, pool); err != nil {
		return reconcile.Result{}, errors.Join(acted, err)
	}
	if seen.released() {
		return outcome(0, r.release(ctx, pool))
	}
	return outcome(seen.again(plan), errors.Join(acted, r.writeStatus(ctx, seen)))
}

// observe reads what a pass goes by: from the cache, from memory, and, as long as a
// node waits in vain, from Mesos.
func (r *Reconciler) observe(ctx context.Context, pool *v1alpha1.MesosNodePool) (observation, error) {
	o := observation{pool: pool, now: metav1.NewTime(r.Now()), kubelet: r.Artifacts.Kubelet(pool.Spec.Template.Spec.Runtime)}
	nodes, err := r.Nodes.Inventory(ctx, pool)
	if err != nil {
		return o, err
	}
	o.nodes = nodes
	framework := &v1alpha1.MesosFramework{}
	switch err := r.Client.Get(ctx, client.ObjectKey{Name: pool.Spec.FrameworkRef.Name}, framework); {
	case err == nil:
		o.framework = framework
	case !apierrors.IsNotFound(err):
		return o, fmt.Errorf("reading MesosFramework %s: %w", pool.Spec.FrameworkRef.Name, err)
	}
	if len(o.waiting()) > 0 {
		ctx, cancel := context.WithTimeout(ctx, surveyTimeout)
		defer cancel()
		o.capacity = r.Agents.Capacity(ctx, pool.Spec.FrameworkRef.Name)
	}
	return o, nil
}

// situation is what a plan needs of the observation.
func (o observation) situation() Situation {
	lost, _ := o.lost()
	return Situation{
		Lost:     lost,
		Replicas: o.replicas(),
		Elastic:  o.pool.Spec.Autoscaling != nil,
		Deleting: o.deleting(),
		Paused:   o.pool.Spec.Paused,
		Barred:   o.barred(),
		Alive:    o.nodes.Alive,
		Pending:  o.nodes.Pending,
		Doomed:   o.nodes.PendingDeletion,
	}
}

// released tells whether a pool that is being deleted has no node left.
func (o observation) released() bool {
	return o.deleting() && len(o.nodes.Alive)+len(o.nodes.Leaving)+o.nodes.Pending == 0
}

// again tells when to look again although no event comes, 0 for never.
func (o observation) again(plan Plan) time.Duration {
	switch {
	case plan.Create > batch || len(plan.Delete) > batch:
		return atOnce
	case o.nodes.Unseen > 0:
		return soon
	}
	_, again := o.lost()
	if len(o.waiting()) > 0 && (again == 0 || again > later) {
		again = later
	}
	return again
}

// act does the first batch of the plan. What was done is told even if not all could be.
func (r *Reconciler) act(ctx context.Context, pool *v1alpha1.MesosNodePool, plan Plan) error {
	victims := plan.Delete[:min(len(plan.Delete), batch)]
	size := nodemodel.Size{Resources: pool.Spec.Template.Spec.Resources}
	_, errCreate := r.Nodes.Create(ctx, pool, slices.Repeat([]nodemodel.Size{size}, min(plan.Create, batch)))
	_, errRemove := r.Nodes.Remove(ctx, pool, victims)
	return errors.Join(errCreate, errRemove)
}

// finalize sees to it that the pool cannot vanish before its nodes.
func (r *Reconciler) finalize(ctx context.Context, pool *v1alpha1.MesosNodePool) error {
	before := pool.DeepCopy()
	if !pool.DeletionTimestamp.IsZero() || !controllerutil.AddFinalizer(pool, v1alpha1.FinalizerNodes) {
		return nil
	}
	if err := r.Client.Patch(ctx, pool, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})); err != nil {
		return fmt.Errorf("adding the finalizer: %w", err)
	}
	return nil
}

// release lets the pool go.
func (r *Reconciler) release(ctx context.Context, pool *v1alpha1.MesosNodePool) error {
	before := pool.DeepCopy()
	controllerutil.RemoveFinalizer(pool, v1alpha1.FinalizerNodes)
	err := r.Client.Patch(ctx, pool, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}))
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("removing the finalizer: %w", err)
	}
	return nil
}

// writeStatus patches the status if it changed.
func (r *Reconciler) writeStatus(ctx context.Context, o observation) error {
	measure(o)
	status := o.status()
	if equality.Semantic.DeepEqual(o.pool.Status, status) {
		return nil
	}
	before := o.pool.DeepCopy()
	o.pool.Status = status
	err := r.Client.Status().Patch(ctx, o.pool, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}))
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("writing status: %w", err)
	}
	r.toldTemplate(o.pool, before)
	return nil
}

// forget drops all that is remembered of a pool that is gone.
func (r *Reconciler) forget(pool string) {
	r.Nodes.Forget(pool)
	unmeasure(pool)
}

// outcome tells the queue when to come again. A conflict is no failure: the cache lags.
func outcome(again time.Duration, err error) (reconcile.Result, error) {
	if apierrors.IsConflict(err) {
		return reconcile.Result{RequeueAfter: soon}, nil
	}
	if err != nil {
		return reconcile.Result{}, err
	}
	return reconcile.Result{RequeueAfter: again}, nil
}
