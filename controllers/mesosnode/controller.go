package mesosnode

import (
	"context"
	"errors"
	"time"

	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/controllers/drain"
	"github.com/k8sm/k8sm/controllers/patch"
)

// DefaultLaunchTimeout is the time that a launched task may take to become a Node.
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
	// Sessions finds the sessions of MesosFrameworks.
	Sessions Sessions
	// Tokens revokes bootstrap tokens.
	Tokens Tokens
	// Names records the names of nodes.
	Names Names
	// Volumes finds the volumes that are attached to nodes.
	Volumes Volumes
	// Runtimes knows what nodes are made of.
	Runtimes Runtimes
	// Mirror has the credentials for the mirror of artifacts.
	Mirror Mirror
	// Recorder takes events.
	Recorder events.EventRecorder
	// Now is the clock.
	Now func() time.Time
	// Changes has an event for each new session and each change of a session's readiness,
	// whose object is a MesosFramework with at least its name; and an event for each change
	// of an agent's maintenance, whose object is a MesosNode that has that agent's task.
	Changes <-chan event.GenericEvent

	// LaunchTimeout is DefaultLaunchTimeout unless set.
	LaunchTimeout time.Duration
	// Concurrency is the number of nodes that are reconciled at a time: 10 unless set.
	Concurrency int
}

// Reconciler carries MesosNodes from demand to release.
type Reconciler struct {
	Options

	drainer       *drain.Drainer
	livingSteps   []step
	deletionSteps []step
}

// step is one part of a reconcile: it reads the reconcileContext and writes its own condition
// into it. A step that returns errStop ends the reconcile without being a failure.
type step func(context.Context, *reconcileContext) error

// errStop ends a reconcile: the steps after it make no sense yet.
var errStop = errors.New("the reconcile ends here")

// NewReconciler returns a Reconciler that SetupWithManager makes run.
func NewReconciler(options Options) *Reconciler {
	if options.LaunchTimeout == 0 {
		options.LaunchTimeout = DefaultLaunchTimeout
	}
	if options.Concurrency == 0 {
		options.Concurrency = 10
	}
	r := &Reconciler{Options: options, drainer: drain.NewDrainer(options.Live, options.Client)}
	r.livingSteps = []step{r.addFinalizer, r.launch, r.register, r.recordName, r.checkLaunchTimeout, r.summarize, r.upgradeKubelet, r.drainForMaintenance}
	r.deletionSteps = []step{r.checkFinalizer, r.withdrawDemand, r.forceRelease, r.cordon, r.drain, r.awaitDetach, r.awaitTerminateHooks, r.killTask, r.releaseVolumes, r.deleteNode, r.revokeToken, r.retireName, r.removeFinalizer}
	return r
}

// +kubebuilder:rbac:groups=k8sm.io,resources=mesosnodes,verbs=get;list;watch;patch;delete
// +kubebuilder:rbac:groups=k8sm.io,resources=mesosnodes/status,verbs=patch
// +kubebuilder:rbac:groups=k8sm.io,resources=mesosframeworks;mesosnodepools,verbs=get;list;watch
// +kubebuilder:rbac:groups="",resources=nodes,verbs=get;list;watch;patch;delete
// +kubebuilder:rbac:groups="",resources=pods,verbs=list;delete
// +kubebuilder:rbac:groups="",resources=namespaces,verbs=get
// +kubebuilder:rbac:groups="",resources=pods/eviction,verbs=create
// +kubebuilder:rbac:groups="",resources=persistentvolumeclaims,verbs=get
// +kubebuilder:rbac:groups=storage.k8s.io,resources=volumeattachments,verbs=get;list;watch
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch

// Reconcile takes one node a step further and writes its status.
func (r *Reconciler) Reconcile(ctx context.Context, req reconcile.Request) (reconcile.Result, error) {
	node := &v1alpha1.MesosNode{}
	if err := r.Client.Get(ctx, req.NamespacedName, node); err != nil {
		return reconcile.Result{}, client.IgnoreNotFound(err)
	}
	steps := r.livingSteps
	if !node.DeletionTimestamp.IsZero() {
		steps = r.deletionSteps
	}
	rc, err := r.observe(ctx, node)
	if err != nil {
		return reconcile.Result{}, err
	}
	for _, step := range steps {
		if err = step(ctx, rc); err != nil {
			break
		}
	}
	return r.finish(ctx, rc, err)
}

// addFinalizer ensures that the node cannot vanish before it is released. Pools create
// their nodes with the finalizer; a person may not have.
func (r *Reconciler) addFinalizer(ctx context.Context, rc *reconcileContext) error {
	added, err := patch.AddFinalizer(ctx, r.Client, rc.node, v1alpha1.FinalizerRelease)
	if added {
		rc.before = rc.node.DeepCopy()
	}
	return err
}
