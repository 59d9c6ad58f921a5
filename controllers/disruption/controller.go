package disruption

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/controllers/disruption/replacement"
	"github.com/k8sm/k8sm/controllers/nodemodel"
	"github.com/k8sm/k8sm/controllers/patch"
	"github.com/k8sm/k8sm/controllers/poolnodes"
	"github.com/k8sm/k8sm/controllers/revision"
	"github.com/k8sm/k8sm/mesos/scheduler"
)

const (
	// batchSize bounds the number of writes of one kind in a reconcile; the next one follows soon.
	batchSize      = 100
	nextBatchDelay = 100 * time.Millisecond
	// pollInterval is the time after which a pool with nodes is looked at again although nothing
	// changed: the maintenance of agents is announced elsewhere.
	pollInterval = 5 * time.Minute
	// settleTime is the time after the start of the process until which the maintenance of agents
	// may not be known yet: masters announce it after the subscription.
	settleTime = 5 * time.Minute
)

// Nodes reads, creates and deletes the nodes of pools, as a *poolnodes.Store does.
type Nodes interface {
	// Inventory returns the pool's nodes. They are the cache's own: they must not be changed.
	Inventory(ctx context.Context, pool *v1alpha1.MesosNodePool) (poolnodes.Inventory, error)
	// Create creates a node of each of the sizes.
	Create(ctx context.Context, pool *v1alpha1.MesosNodePool, sizes []nodemodel.Size) (names []string, err error)
	// Disrupt deletes candidates, in order, as far as the pool's disruption budgets allow.
	Disrupt(ctx context.Context, pool *v1alpha1.MesosNodePool, candidates []poolnodes.Candidate) (poolnodes.Disrupted, error)
	// Remove deletes nodes of the pool, whatever its budgets are.
	Remove(ctx context.Context, pool *v1alpha1.MesosNodePool, nodes []*v1alpha1.MesosNode) (removed int, err error)
}

// Revisions knows what nodes are made of now.
type Revisions interface {
	// Revision is that of nodes that are created in the pool now. An error means that none can be
	// made of its template.
	Revision(pool *v1alpha1.MesosNodePool) (revision.Revision, error)
	// KubernetesRelease is the minor release of the kubelets of nodes with this template, such as
	// v1.37; empty if it is not known.
	KubernetesRelease(runtime v1alpha1.NodeRuntime) string
	// Kubelets are the artifacts, one for each architecture, that the kubelet of a node with this
	// template may be; none if an archive has it.
	Kubelets(runtime v1alpha1.NodeRuntime) []v1alpha1.Artifact
}

// Agents knows the agents of the Mesos clusters.
type Agents interface {
	// Maintenance returns the maintenance window of an agent, and false if none is planned.
	Maintenance(framework, agentID string) (scheduler.Window, bool)
}

// Options are what a Reconciler is made of. All are needed.
type Options struct {
	// Client reads from the manager's cache and writes to the API server.
	Client client.Client
	// Live lists the pods of a node from the API server.
	Live client.Reader
	// Nodes reads, creates and deletes the nodes of pools.
	Nodes Nodes
	// Revisions knows what nodes are made of now.
	Revisions Revisions
	// Agents knows when agents are maintained.
	Agents Agents
	// Changes has an event, without an object, for each change of the runtimes.
	Changes <-chan event.GenericEvent
	// Recorder takes events.
	Recorder events.EventRecorder
	// Now is the clock.
	Now func() time.Time
}

// Reconciler replaces the nodes that should not stay.
type Reconciler struct {
	Options

	// started is when the process began to reconcile.
	started func() time.Time
}

// NewReconciler returns a Reconciler that SetupWithManager makes run.
func NewReconciler(options Options) *Reconciler {
	return &Reconciler{Options: options, started: sync.OnceValue(options.Now)}
}

// +kubebuilder:rbac:groups=k8sm.io,resources=mesosnodepools,verbs=get;list;watch
// +kubebuilder:rbac:groups=k8sm.io,resources=mesosnodepools/status,verbs=patch
// +kubebuilder:rbac:groups=k8sm.io,resources=mesosnodes,verbs=get;list;watch;create;delete;patch
// +kubebuilder:rbac:groups=k8sm.io,resources=mesosnodes/status,verbs=patch
// +kubebuilder:rbac:groups="",resources=nodes,verbs=get;list;watch;patch
// +kubebuilder:rbac:groups="",resources=pods,verbs=list
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch

// Reconcile takes the replacement of one pool's nodes a step further and writes its status.
func (r *Reconciler) Reconcile(ctx context.Context, req reconcile.Request) (reconcile.Result, error) {
	pool := &v1alpha1.MesosNodePool{}
	if err := r.Client.Get(ctx, req.NamespacedName, pool); err != nil {
		if client.IgnoreNotFound(err) == nil {
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
	if !seen.nodes.IsSettled() {
		return reconcile.Result{RequeueAfter: poolnodes.VerifyAfter}, nil // an event comes before
	}
	plan := replacement.Plan{Candidates: len(seen.candidates())}
	if !pool.Spec.Paused {
		plan = replacement.Decide(seen.replacementPool(ctx, r))
	}
	labelsLeft, err := r.label(ctx, seen)
	taintsLeft, taintErr := r.taint(ctx, seen)
	limit, applyErr := r.apply(ctx, seen, plan)
	conditionsLeft, conditionErr := r.writeDisruptable(ctx, seen, plan)
	err = errors.Join(err, taintErr, applyErr, conditionErr, r.writeStatus(ctx, seen, plan, limit))
	return patch.Result(seen.requeueAfter(plan, labelsLeft || taintsLeft || conditionsLeft), err)
}

// apply carries the plan out, and returns why the budgets held something back, in words.
func (r *Reconciler) apply(ctx context.Context, seen *observation, plan replacement.Plan) (limit string, err error) {
	var dissolved []*v1alpha1.MesosNode
	for _, name := range plan.Dissolve {
		dissolved = append(dissolved, seen.byName[name])
	}
	_, dissolveErr := r.Nodes.Remove(ctx, seen.pool, dissolved[:min(len(dissolved), batchSize)])

	var candidates []poolnodes.Candidate
	for _, removal := range plan.Remove[:min(len(plan.Remove), batchSize)] {
		candidates = append(candidates, poolnodes.Candidate{Node: seen.byName[removal.Name], Reason: removal.Reason})
	}
	disrupted, removeErr := r.Nodes.Disrupt(ctx, seen.pool, candidates)
	r.recordReplacedEvent(seen.pool, plan, disrupted.Removed)

	var sizes []nodemodel.Size
	for _, name := range plan.Create[:min(len(plan.Create), batchSize)] {
		sizes = append(sizes, successorSize(seen.pool, seen.byName[name]))
	}
	_, createErr := r.Nodes.Create(ctx, seen.pool, sizes)
	if err := errors.Join(dissolveErr, removeErr, createErr); err != nil {
		return disrupted.Limit, fmt.Errorf("replacing nodes of pool %s: %w", seen.pool.Name, err)
	}
	return disrupted.Limit, nil
}

// successorSize returns the size of the node that takes the place of another: that of the
// template, of the same shape if the template still has it, and in the same domain if the
// autoscaler had chosen one.
func successorSize(pool *v1alpha1.MesosNodePool, old *v1alpha1.MesosNode) nodemodel.Size {
	size := nodemodel.Size{Resources: pool.Spec.Template.Spec.Resources, Replaces: old.Name}
	if shapes := pool.Spec.Template.Spec.Shapes; len(shapes) > 0 {
		shape := shapes[0]
		for _, s := range shapes {
			if s.Name == old.Labels[v1alpha1.LabelShape] {
				shape = s
			}
		}
		size.Shape, size.Resources = shape.Name, shape.Resources
	}
	if pool.Spec.Autoscaling != nil {
		asked, chosen := nodemodel.DomainOf(pool.Spec.Placement), nodemodel.DomainOf(old.Spec.Placement)
		if asked.Region == "" {
			size.Region = chosen.Region
		}
		if asked.Zone == "" {
			size.Zone = chosen.Zone
		}
	}
	return size
}
