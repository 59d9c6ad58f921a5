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
	"github.com/k8sm/k8sm/controllers/patch"
	"github.com/k8sm/k8sm/controllers/poolnodes"
)

const (
	// batchSize bounds the number of nodes that one reconcile creates or deletes; the next
	// reconcile follows at once.
	batchSize = 100
	// nextBatchDelay, cacheLagDelay, capacityPollInterval and skewPollInterval are the times
	// after which a pool is reconciled again although no event came: to go on with the next
	// batch; to see what the cache does not show yet; to ask what agents have while nodes wait
	// for an offer; to see whether the API server is of another release.
	nextBatchDelay       = time.Millisecond
	cacheLagDelay        = time.Second
	capacityPollInterval = time.Minute
	skewPollInterval     = 3 * time.Minute
	// capacityTimeout bounds that question: a master that hangs must not hold up a worker.
	capacityTimeout = 5 * time.Second
)

// Options are what a Reconciler is made of. All are needed.
type Options struct {
	// Client reads from the manager's cache and writes to the API server.
	Client client.Client
	// Nodes reads, creates and deletes the nodes of pools.
	Nodes Nodes
	// Agents knows how many more nodes the agents of a cluster have room for.
	Agents Agents
	// Runtimes knows what nodes are made of.
	Runtimes Runtimes
	// Recorder takes events.
	Recorder events.EventRecorder
	// Now is the clock.
	Now func() time.Time
}

// Reconciler keeps as many MesosNodes as each MesosNodePool asks for.
type Reconciler struct {
	Options

	costs reportedCosts
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

// Reconcile brings one pool closer to its spec: it observes, plans, applies the plan, observes
// again, and writes the status.
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
	if err := r.addFinalizer(ctx, pool); err != nil {
		return patch.Result(0, err)
	}
	seen, err := r.observe(ctx, pool)
	if err != nil {
		return reconcile.Result{}, err
	}
	r.recordDeletionCostEvents(pool, seen.nodes.Alive)
	plan := PlanScaling(seen.planInput())
	scaledIn, err := r.apply(ctx, pool, plan)
	acted := errors.Join(err, r.writeUpgrades(ctx, seen.upgradeInput()))
	if seen, err = r.observe(ctx, pool); err != nil {
		return reconcile.Result{}, errors.Join(acted, err)
	}
	if seen.isReleased() {
		return patch.Result(0, client.IgnoreNotFound(patch.RemoveFinalizer(ctx, r.Client, pool, v1alpha1.FinalizerNodes)))
	}
	seen.scaledIn = scaledIn
	return patch.Result(seen.requeueAfter(plan), errors.Join(acted, r.writeStatus(ctx, seen)))
}

// observe reads the state of a pool: from the cache, from what is remembered of its nodes, and,
// from Mesos, as long as a node waits for an offer.
func (r *Reconciler) observe(ctx context.Context, pool *v1alpha1.MesosNodePool) (observation, error) {
	o := observation{pool: pool, now: metav1.NewTime(r.Now())}
	var err error
	if o.runtime, o.refusal, err = r.Runtimes.Resolve(ctx, pool.Spec.Template.Spec); err != nil {
		return o, fmt.Errorf("checking the template: %w", err)
	}
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
	if len(o.waitingNodes()) > 0 {
		ctx, cancel := context.WithTimeout(ctx, capacityTimeout)
		defer cancel()
		o.capacity = r.Agents.Capacity(ctx, pool.Spec.FrameworkRef.Name)
	}
	return o, nil
}

// planInput is the part of the observation that a plan depends on.
func (o observation) planInput() PlanInput {
	return PlanInput{
		Replicas:        o.desiredReplicas(),
		Autoscaled:      o.pool.Spec.Autoscaling != nil,
		Deleting:        o.isDeleting(),
		Paused:          o.pool.Spec.Paused,
		CreationBlocked: o.isCreationBlocked(),
		Alive:           o.nodes.Alive,
		Replaced:        o.nodes.Replaced(),
		Revision:        o.pool.Status.CurrentRevision,
		HasExpired:      o.hasExpired,
		Order:           o.pool.Spec.DeletionOrder,
		Pending:         o.nodes.Pending,
		PendingDeletion: o.nodes.PendingDeletion,
	}
}

// hasExpired reports whether a node is older than the pool allows.
func (o observation) hasExpired(n *v1alpha1.MesosNode) bool {
	at := nodemodel.ExpiresAt(o.pool, n)
	return !at.IsZero() && !o.now.Time.Before(at)
}

// isReleased reports whether a pool that is being deleted has no node left.
func (o observation) isReleased() bool {
	return o.isDeleting() && len(o.nodes.Alive)+len(o.nodes.Leaving)+o.nodes.Pending == 0
}

// requeueAfter is the time after which to reconcile again although no event comes, 0 for never.
func (o observation) requeueAfter(plan Plan) time.Duration {
	switch {
	case plan.Create > batchSize || len(plan.Delete) > batchSize || len(plan.ScaleIn) > batchSize && o.scaledIn.Limit == "":
		return nextBatchDelay
	case o.nodes.Unseen > 0:
		return cacheLagDelay
	}
	again := time.Duration(0)
	if until := o.scaledIn.Until; !until.IsZero() {
		again = max(until.Sub(o.now.Time), nextBatchDelay)
	}
	if o.refusal.Reason == v1alpha1.ReasonKubeletVersionSkew && (again == 0 || again > skewPollInterval) {
		again = skewPollInterval
	}
	if len(o.waitingNodes()) > 0 && (again == 0 || again > capacityPollInterval) {
		again = capacityPollInterval
	}
	return again
}

// apply carries out the first batch of the plan. Nodes are deleted even if some could not be
// created.
func (r *Reconciler) apply(ctx context.Context, pool *v1alpha1.MesosNodePool, plan Plan) (poolnodes.Disrupted, error) {
	remove := plan.Delete[:min(len(plan.Delete), batchSize)]
	size := nodemodel.Size{Resources: pool.Spec.Template.Spec.Resources}
	_, errCreate := r.Nodes.Create(ctx, pool, slices.Repeat([]nodemodel.Size{size}, min(plan.Create, batchSize)))
	_, errRemove := r.Nodes.Remove(ctx, pool, remove)
	var candidates []poolnodes.Candidate
	for _, n := range plan.ScaleIn[:min(len(plan.ScaleIn), batchSize)] {
		candidates = append(candidates, poolnodes.Candidate{Node: n, Reason: v1alpha1.DisruptionScaleIn})
	}
	scaledIn, errScaleIn := r.Nodes.Disrupt(ctx, pool, candidates)
	return scaledIn, errors.Join(errCreate, errRemove, errScaleIn)
}

// addFinalizer ensures that the pool cannot vanish before its nodes.
func (r *Reconciler) addFinalizer(ctx context.Context, pool *v1alpha1.MesosNodePool) error {
	if !pool.DeletionTimestamp.IsZero() {
		return nil
	}
	_, err := patch.AddFinalizer(ctx, r.Client, pool, v1alpha1.FinalizerNodes)
	return err
}

// writeStatus patches the status if it changed.
func (r *Reconciler) writeStatus(ctx context.Context, o observation) error {
	setGauges(o)
	status := o.status()
	if equality.Semantic.DeepEqual(o.pool.Status, status) {
		return nil
	}
	before := o.pool.DeepCopy()
	o.pool.Status = status
	if err := patch.Status(ctx, r.Client, before, o.pool); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("writing status: %w", err)
	}
	r.recordTemplateInvalidEvent(o.pool, before)
	return nil
}

// forget drops all that is remembered of a pool that is gone.
func (r *Reconciler) forget(pool string) {
	r.Nodes.Forget(pool)
	r.costs.replace(pool, nil)
	deleteGauges(pool)
}
