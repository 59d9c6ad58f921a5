package node

import (
	"context"
	"errors"
	"time"

	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

// DefaultLaunchTimeout is how long a launched task may take to become a Node.
const DefaultLaunchTimeout = 15 * time.Minute

// Options are what a Reconciler is made of. All but LaunchTimeout and Concurrency
// are needed.
type Options struct {
	// Client reads from the manager's cache and writes to the API server.
	Client client.Client
	// Live reads from the API server. Only the pods of a node that is being drained
	// are read through it: a cache of all pods would cost more than it saves.
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
	// by an event whose object is the MesosFramework, or has its name at least.
	Changes <-chan event.GenericEvent

	// LaunchTimeout is DefaultLaunchTimeout unless set.
	LaunchTimeout time.Duration
	// Concurrency is how many nodes are looked at side by side: 10 unless set.
	Concurrency int
}

// Reconciler carries MesosNodes from demand to gone.
type Reconciler struct {
	Options

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
	r := &Reconciler{Options: options}
	r.living = []step{r.finalize, r.launch, r.register, r.expire, r.sumUp}
	r.leaving = []step{r.withdraw, r.force, r.cordon, r.drain, r.kill, r.deleteNode, r.revoke, r.release}
	return r
}

// +kubebuilder:rbac:groups=k8sm.io,resources=mesosnodes,verbs=get;list;watch;patch;delete
// +kubebuilder:rbac:groups=k8sm.io,resources=mesosnodes/status,verbs=patch
// +kubebuilder:rbac:groups=k8sm.io,resources=mesosnodes/finalizers,verbs=update
// +kubebuilder:rbac:groups=k8sm.io,resources=mesosframeworks,verbs=get;list;watch
// +kubebuilder:rbac:groups="",resources=nodes,verbs=get;list;watch;patch;delete
// +kubebuilder:rbac:groups="",resources=pods,verbs=list
// +kubebuilder:rbac:groups="",resources=pods/eviction,verbs=create
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch

// Reconcile looks at one node, takes it a step further, and writes down what it saw.
func (r *Reconciler) Reconcile(ctx context.Context, req reconcile.Request) (reconcile.Result, error) {
	return reconcile.Result{}, nil
}

// SetupWithManager makes the manager run the Reconciler.
func (r *Reconciler) SetupWithManager(mgr ctrl.Manager) error {
	return nil
}
