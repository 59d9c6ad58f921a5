package repair

import (
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/controllers/disruptionbudget"
	"github.com/k8sm/k8sm/controllers/nodemodel"
	"github.com/k8sm/k8sm/controllers/patch"
	"github.com/k8sm/k8sm/controllers/poolnodes"
	"github.com/k8sm/k8sm/controllers/repair/decision"
)

const (
	// batchSize bounds the number of nodes that one reconcile removes; the next one follows soon.
	batchSize      = 100
	nextBatchDelay = 100 * time.Millisecond
	// frameworkSettleTime is the time for which a framework must be Ready before a node is judged:
	// after a time without a master the records are old, and what Mesos reports now takes a moment
	// to be written.
	frameworkSettleTime = time.Minute
	// closedSettleTime is the time for which no more nodes than maxUnhealthy must have been unhealthy
	// before one is replaced again: the nodes of a rack do not all come back in the same second.
	closedSettleTime = 2 * time.Minute
)

// Nodes reads and deletes the nodes of pools, as a *poolnodes.Store does.
type Nodes interface {
	// Inventory returns the pool's nodes. They are the cache's own: they must not be changed.
	Inventory(ctx context.Context, pool *v1alpha1.MesosNodePool) (poolnodes.Inventory, error)
	// Remove deletes nodes of the pool, whatever its budgets are.
	Remove(ctx context.Context, pool *v1alpha1.MesosNodePool, nodes []*v1alpha1.MesosNode) (removed int, err error)
}

// Options are what a Reconciler is made of. All are needed.
type Options struct {
	// Client reads from the manager's cache and writes to the API server.
	Client client.Client
	// Nodes reads and deletes the nodes of pools.
	Nodes Nodes
	// Recorder takes events.
	Recorder events.EventRecorder
	// Now is the clock.
	Now func() time.Time
}

// Reconciler replaces the nodes that do not work.
type Reconciler struct {
	Options
}

// NewReconciler returns a Reconciler that SetupWithManager makes run.
func NewReconciler(options Options) *Reconciler { return &Reconciler{Options: options} }

// +kubebuilder:rbac:groups=k8sm.io,resources=mesosnodepools,verbs=get;list;watch
// +kubebuilder:rbac:groups=k8sm.io,resources=mesosnodepools/status,verbs=patch
// +kubebuilder:rbac:groups=k8sm.io,resources=mesosnodes,verbs=get;list;watch;delete
// +kubebuilder:rbac:groups=k8sm.io,resources=mesosframeworks,verbs=get;list;watch
// +kubebuilder:rbac:groups="",resources=nodes,verbs=get;list;watch
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch

// Reconcile removes the nodes of one pool that do not work, unless there are too many, and writes
// the pool's condition RepairPermitted.
func (r *Reconciler) Reconcile(ctx context.Context, req reconcile.Request) (reconcile.Result, error) {
	pool := &v1alpha1.MesosNodePool{}
	if err := r.Client.Get(ctx, req.NamespacedName, pool); err != nil {
		if apierrors.IsNotFound(err) {
			deleteGauges(req.Name)
		}
		return reconcile.Result{}, client.IgnoreNotFound(err)
	}
	if !pool.DeletionTimestamp.IsZero() {
		return reconcile.Result{}, nil
	}
	seen, err := r.observe(ctx, pool)
	if err != nil {
		return reconcile.Result{}, err
	}
	plan := decision.Decide(seen.decisionPool())
	err = errors.Join(r.apply(ctx, seen, plan), r.writeStatus(ctx, seen, plan))
	return patch.Result(seen.requeueAfter(plan), err)
}

// observation is what one reconcile goes by.
type observation struct {
	now  time.Time
	pool *v1alpha1.MesosNodePool
	// framework is the pool's MesosFramework, nil if there is none.
	framework *v1alpha1.MesosFramework
	// senseless are the rules that are not applied.
	senseless []rule
	// byName has the nodes that are not being deleted; findings has what is wrong with some.
	byName   map[string]*v1alpha1.MesosNode
	findings map[string]finding
}

// observe reads a pool's nodes and finds out which do not work.
func (r *Reconciler) observe(ctx context.Context, pool *v1alpha1.MesosNodePool) (*observation, error) {
	nodes, err := r.Nodes.Inventory(ctx, pool)
	if err != nil {
		return nil, err
	}
	o := &observation{now: r.Now(), pool: pool, byName: map[string]*v1alpha1.MesosNode{}, findings: map[string]finding{}}
	framework := &v1alpha1.MesosFramework{}
	switch err := r.Client.Get(ctx, client.ObjectKey{Name: pool.Spec.FrameworkRef.Name}, framework); {
	case err == nil:
		o.framework = framework
	case !apierrors.IsNotFound(err):
		return nil, fmt.Errorf("reading MesosFramework %s: %w", pool.Spec.FrameworkRef.Name, err)
	}
	rules, senseless := rulesOf(pool)
	o.senseless = senseless
	for _, n := range nodes.Alive {
		object, err := r.readObject(ctx, n)
		if err != nil {
			return nil, err
		}
		o.byName[n.Name] = n
		if f, unhealthy := assess(pool, rules, n, object, o.now); unhealthy {
			o.findings[n.Name] = f
		}
	}
	return o, nil
}

// readObject returns the Node that a node's task registered, from the cache; nil if there is none.
func (r *Reconciler) readObject(ctx context.Context, n *v1alpha1.MesosNode) (*corev1.Node, error) {
	if !nodemodel.IsRegistered(n) {
		return nil, nil
	}
	return poolnodes.Object(ctx, r.Client, n)
}

// decisionPool describes the pool to decision.Decide.
func (o *observation) decisionPool() decision.Pool {
	notBefore, known := o.judgedFrom()
	p := decision.Pool{
		Now: o.now, MaxUnhealthy: ptr.Deref(o.pool.Spec.Repair.MaxUnhealthy, defaultMaxUnhealthy),
		NotBefore: notBefore, Never: !known || o.pool.Spec.Paused || o.isDisabled() || o.isCreationBlocked(),
	}
	for name, n := range o.byName {
		f, unhealthy := o.findings[name]
		if unhealthy || nodemodel.IsRegistered(n) {
			p.Nodes = append(p.Nodes, f.describe(n))
		}
	}
	return p
}

// judgedFrom is the time from which on nodes may be replaced, and false while Mesos cannot be
// asked.
func (o *observation) judgedFrom() (at time.Time, known bool) {
	if o.framework == nil || !o.framework.DeletionTimestamp.IsZero() {
		return time.Time{}, false
	}
	ready := meta.FindStatusCondition(o.framework.Status.Conditions, v1alpha1.ConditionReady)
	if ready == nil || ready.Status != metav1.ConditionTrue {
		return time.Time{}, false // an event comes when it is
	}
	at = ready.LastTransitionTime.Add(frameworkSettleTime)
	if closed := o.closedAt(); !closed.IsZero() && at.Before(closed.Add(closedSettleTime)) {
		at = closed.Add(closedSettleTime)
	}
	return at, true
}

// closedAt is when there were last too many unhealthy nodes; zero if there never were.
func (o *observation) closedAt() time.Time {
	before := meta.FindStatusCondition(o.pool.Status.Conditions, v1alpha1.ConditionRepairPermitted)
	switch {
	case before == nil:
		return time.Time{}
	case before.Status == metav1.ConditionTrue && before.LastTransitionTime.After(o.pool.CreationTimestamp.Time):
		return before.LastTransitionTime.Time // the first one is dated by the creation of the pool
	case before.Reason == v1alpha1.ReasonTooManyUnhealthy:
		return o.now
	}
	return time.Time{}
}

// isDisabled reports whether the pool's nodes are never replaced.
func (o *observation) isDisabled() bool {
	most := o.pool.Spec.Repair.MaxUnhealthy
	return most != nil && disruptionbudget.Resolve(*most, 100) == 0
}

// isCreationBlocked reports whether no node could be created in the place of another.
func (o *observation) isCreationBlocked() bool {
	valid := meta.FindStatusCondition(o.pool.Status.Conditions, v1alpha1.ConditionTemplateValid)
	return valid == nil || valid.ObservedGeneration != o.pool.Generation || valid.Status != metav1.ConditionTrue || o.isWithoutRole()
}

func (o *observation) isWithoutRole() bool {
	ready := meta.FindStatusCondition(o.pool.Status.Conditions, v1alpha1.ConditionFrameworkReady)
	return ready != nil && ready.Reason == v1alpha1.ReasonRoleNotSubscribed
}

// apply removes the nodes that are to be replaced, and records why.
func (r *Reconciler) apply(ctx context.Context, o *observation, plan decision.Plan) error {
	var nodes []*v1alpha1.MesosNode
	for _, name := range plan.Replace[:min(len(plan.Replace), batchSize)] {
		nodes = append(nodes, o.byName[name])
	}
	if _, err := r.Nodes.Remove(ctx, o.pool, nodes); err != nil {
		return fmt.Errorf("replacing nodes of pool %s: %w", o.pool.Name, err)
	}
	for _, n := range nodes {
		r.Recorder.Eventf(o.pool, n, corev1.EventTypeWarning, v1alpha1.EventNodeReplaced, "Replace", "%s", o.findings[n.Name].cause)
	}
	return nil
}

// requeueAfter is the time after which to reconcile again although no event comes, 0 for never.
func (o *observation) requeueAfter(plan decision.Plan) time.Duration {
	switch {
	case len(plan.Replace) > batchSize:
		return nextBatchDelay
	case plan.Next.IsZero():
		return 0
	}
	return max(plan.Next.Sub(o.now), nextBatchDelay)
}
