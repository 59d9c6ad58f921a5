package autoscaler

import (
	"context"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/k8sm/k8sm/controllers/autoscaler/decision"
)

const (
	// settling is when to look again while the cache does not show all that was done.
	settling = 100 * time.Millisecond
	// whileWaiting is when to ask again what room there is, while pods wait.
	whileWaiting = 10 * time.Second
	// capacityTimeout bounds that question: a master that hangs holds up nobody for long.
	capacityTimeout = 5 * time.Second
)

// Options are what a Reconciler is made of. All are needed.
type Options struct {
	// Client reads from the manager's cache and writes to the API server.
	Client client.Client
	// Fleets has the nodes of pools.
	Nodes Nodes
	// Agents knows what could be had of the agents of a cluster. It is asked only while
	// something waits.
	Agents Agents
	// Recorder takes events.
	Recorder events.EventRecorder
	// Now is the clock.
	Now func() time.Time
}

// Reconciler makes pools with autoscaling as large as pods need. It decides for all of them
// at once, one decision at a time.
type Reconciler struct {
	Options

	batch   batch
	mirror  *mirror
	guard   *guard
	remarks remarks
	memory  decision.NodeStates
	pasts   map[string]decision.RemovalHistory // by pool
	// attend begins to watch pods and nodes; attends tells that this was done.
	attend  func() error
	attends bool
}

// NewReconciler returns a Reconciler that SetupWithManager makes run.
func NewReconciler(options Options) (*Reconciler, error) {
	m, err := newMirror()
	if err != nil {
		return nil, err
	}
	return &Reconciler{Options: options, mirror: m, guard: newGuard(), remarks: remarks{}}, nil
}

// +kubebuilder:rbac:groups="",resources=pods;nodes;namespaces;persistentvolumes;persistentvolumeclaims,verbs=get;list;watch
// +kubebuilder:rbac:groups=apps,resources=daemonsets,verbs=get;list;watch
// +kubebuilder:rbac:groups=policy,resources=poddisruptionbudgets,verbs=get;list;watch
// +kubebuilder:rbac:groups=k8sm.io,resources=mesosnodes/status,verbs=patch
// +kubebuilder:rbac:groups=storage.k8s.io,resources=storageclasses;csinodes;csidrivers;csistoragecapacities;volumeattachments,verbs=get;list;watch
// +kubebuilder:rbac:groups=k8sm.io,resources=mesosnodepools,verbs=get;list;watch
// +kubebuilder:rbac:groups=k8sm.io,resources=mesosnodepools/status,verbs=patch
// +kubebuilder:rbac:groups=k8sm.io,resources=mesosnodes,verbs=get;list;watch;create;delete
// +kubebuilder:rbac:groups=k8sm.io,resources=mesosframeworks,verbs=get;list;watch
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch

// Reconcile decides once: what the pods that wait need, and which nodes nobody needs.
func (r *Reconciler) Reconcile(ctx context.Context, _ reconcile.Request) (reconcile.Result, error) {
	pools, settled, err := r.elasticPools(ctx)
	if err != nil || len(pools) == 0 {
		return reconcile.Result{}, err
	}
	if !r.attends {
		if err := r.attend(); err != nil {
			return reconcile.Result{}, fmt.Errorf("watching pods and nodes: %w", err)
		}
		r.attends = true
	}
	idle, most := patience(pools)
	if wait := r.batch.wait(r.Now(), idle, most); wait > 0 || !settled {
		return reconcile.Result{RequeueAfter: max(wait, settling)}, nil
	}
	w, err := r.observe(ctx)
	if err != nil {
		return reconcile.Result{}, err
	}
	p := &pass{world: w, pools: pools}
	for _, step := range []func(context.Context, *pass) error{r.giveUp, r.reflect, r.grow, r.shrink, r.report} {
		if err := step(ctx, p); err != nil {
			if apierrors.IsConflict(err) {
				return reconcile.Result{RequeueAfter: settling}, nil
			}
			return reconcile.Result{}, err
		}
	}
	return reconcile.Result{RequeueAfter: p.again}, nil
}
