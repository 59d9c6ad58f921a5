package mesosnode

import (
	"context"
	"errors"
	"fmt"
	"time"

	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/controllers/drain"
)

// DefaultLaunchTimeout is how long a launched task may take to become a Node.
const DefaultLaunchTimeout = 15 * time.Minute

// Options are what a Reconciler is made of. All but LaunchTimeout and Concurrency
// are needed.
type Options struct {
	// Client reads from the manager's cache and writes to the API server.
	Client client.Client
	// Live reads from the API server: the pods of a node that is being drained, since a
	// cache of all pods would cost more than it saves, and whether a Node is really
	// gone, before that has consequences.
	Live client.Reader
	// Frameworks finds sessions.
	Frameworks Frameworks
	// Tokens takes bootstrap tokens back.
	Tokens Tokens
	// Artifacts knows what the operator supplies.
	Artifacts Artifacts
	// Recorder takes events.
	Recorder events.EventRecorder
	// Now is the clock.
	Now func() time.Time
	// Changes tells of each change of a session's readiness, and of each new session,
	// by an event whose object is the MesosFramework, or has its name at least; and of
	// each change of an agent's maintenance, by a MesosNode that has that agent's task.
	Changes <-chan event.GenericEvent

	// LaunchTimeout is DefaultLaunchTimeout unless set.
	LaunchTimeout time.Duration
	// Concurrency is how many nodes are looked at side by side: 10 unless set.
	Concurrency int
}

// Reconciler carries MesosNodes from demand to gone.
type Reconciler struct {
	Options

	drainer drain.Drainer
	living  []step
	leaving []step
}

// step is one part of a look at a node: it reads the pass and writes its own
// condition into it. A step that says errStop ends the pass without being a failure.
type step func(context.Context, *pass) error

// errStop ends a pass: the steps after it make no sense yet.
var errStop = errors.New("the pass ends here")

// NewReconciler returns a Reconciler that SetupWithManager makes run.
func NewReconciler(options Options) *Reconciler {
	if options.LaunchTimeout == 0 {
		options.LaunchTimeout = DefaultLaunchTimeout
	}
	if options.Concurrency == 0 {
		options.Concurrency = 10
	}
	r := &Reconciler{Options: options, drainer: drain.Drainer{Pods: options.Live, Evictions: options.Client}}
	r.living = []step{r.finalize, r.launch, r.register, r.expire, r.sumUp, r.upgrade, r.evacuate}
	r.leaving = []step{r.held, r.withdraw, r.force, r.cordon, r.drain, r.kill, r.deleteNode, r.revoke, r.release}
	return r
}

// +kubebuilder:rbac:groups=k8sm.io,resources=mesosnodes,verbs=get;list;watch;patch;delete
// +kubebuilder:rbac:groups=k8sm.io,resources=mesosnodes/status,verbs=patch
// +kubebuilder:rbac:groups=k8sm.io,resources=mesosframeworks,verbs=get;list;watch
// +kubebuilder:rbac:groups="",resources=nodes,verbs=get;list;watch;patch;delete
// +kubebuilder:rbac:groups="",resources=pods,verbs=list
// +kubebuilder:rbac:groups="",resources=pods/eviction,verbs=create
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch

// Reconcile looks at one node, takes it a step further, and writes down what it saw.
func (r *Reconciler) Reconcile(ctx context.Context, req reconcile.Request) (reconcile.Result, error) {
	node := &v1alpha1.MesosNode{}
	if err := r.Client.Get(ctx, req.NamespacedName, node); err != nil {
		return reconcile.Result{}, client.IgnoreNotFound(err)
	}
	steps := r.living
	if !node.DeletionTimestamp.IsZero() {
		steps = r.leaving
	}
	p, err := r.observe(ctx, node)
	if err != nil {
		return reconcile.Result{}, err
	}
	for _, step := range steps {
		if err = step(ctx, p); err != nil {
			break
		}
	}
	return r.finish(ctx, p, err)
}

// finalize sees to it that the node cannot vanish before it is released. Pools create
// their nodes with the finalizer; a person may not have.
func (r *Reconciler) finalize(ctx context.Context, p *pass) error {
	if !controllerutil.AddFinalizer(p.node, v1alpha1.FinalizerRelease) {
		return nil
	}
	patch := client.MergeFromWithOptions(p.before, client.MergeFromWithOptimisticLock{})
	if err := r.Client.Patch(ctx, p.node, patch); err != nil {
		return fmt.Errorf("adding the finalizer: %w", err)
	}
	p.before = p.node.DeepCopy()
	return nil
}
