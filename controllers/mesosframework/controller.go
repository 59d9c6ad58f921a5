package mesosframework

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/go-logr/logr"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/controllers/nodetemplate"
	"github.com/k8sm/k8sm/controllers/patch"
	"github.com/k8sm/k8sm/controllers/sessions"
	"github.com/k8sm/k8sm/controllers/taskrecord"
	"github.com/k8sm/k8sm/mesos/session"
)

// Options are the dependencies of a Reconciler. All but Dial, MaySubscribe, Metrics and Log
// are needed.
type Options struct {
	// Client reads from the manager's cache and writes to the API server.
	Client client.Client
	// Live reads from the API server what must not be missed because a cache lags.
	Live client.Reader
	// Sessions runs the sessions.
	Sessions *sessions.Registry
	// Tokens issues and revokes bootstrap tokens.
	Tokens taskrecord.Tokens
	// CheckAddress checks the addresses of agents before a launch; nil accepts all.
	CheckAddress taskrecord.CheckAddress
	// NodeDefaults are what the operator gives to every node, except for the runtime.
	NodeDefaults nodetemplate.NodeDefaults
	// Runtimes has the present runtimes of nodes.
	Runtimes Runtimes
	// Recorder records events.
	Recorder events.EventRecorder
	// Now is the clock.
	Now func() time.Time
	// Namespace is the operator's own, in which the secrets are.
	Namespace string

	// Hostname of the operator, as shown in Mesos.
	Hostname string
	// Dial makes a session. The default is session.New.
	Dial func(session.Config) (sessions.Session, error)
	// MaySubscribe is called before every subscription. An error postpones the
	// subscription. Nil allows all.
	MaySubscribe func(context.Context) error
	// Metrics that sessions count in.
	Metrics *session.Metrics
	// Log of the sessions.
	Log logr.Logger
}

// Runtimes has the runtimes that nodes are made of, as a *catalogue.Catalogue does.
type Runtimes interface {
	// Current returns them as they are at present. They must not be changed.
	Current() nodetemplate.Runtime
}

// Reconciler keeps a session for each MesosFramework.
type Reconciler struct {
	Options
	entries sessionEntries
}

// NewReconciler returns a Reconciler. SetupWithManager makes a manager run it.
func NewReconciler(options Options) *Reconciler {
	if options.Dial == nil {
		options.Dial = func(c session.Config) (sessions.Session, error) { return session.New(c) }
	}
	return &Reconciler{Options: options}
}

// reconcileContext is the working state of one reconciliation of one MesosFramework.
type reconcileContext struct {
	// before is the MesosFramework as it was read or last patched; framework is changed.
	before, framework *v1alpha1.MesosFramework
	now               time.Time
	// requeue is when to reconcile again although nothing happens, 0 for never.
	requeue time.Duration
	// released is true once the finalizer is removed: there is no status to write.
	released bool
}

// +kubebuilder:rbac:groups=k8sm.io,resources=mesosframeworks,verbs=get;list;watch;patch
// +kubebuilder:rbac:groups=k8sm.io,resources=mesosframeworks/status,verbs=patch
// +kubebuilder:rbac:groups=k8sm.io,resources=mesosnodepools,verbs=get;list;watch
// +kubebuilder:rbac:groups=k8sm.io,resources=mesosnodes,verbs=get;list;watch
// +kubebuilder:rbac:groups=k8sm.io,resources=mesosnodes/status,verbs=patch
// +kubebuilder:rbac:groups="",namespace=k8sm-system,resources=secrets,verbs=get;list;watch
// +kubebuilder:rbac:groups="",namespace=kube-system,resources=configmaps,resourceNames=extension-apiserver-authentication,verbs=get
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch

// Reconcile keeps or releases the session of one MesosFramework, and reports its state.
func (r *Reconciler) Reconcile(ctx context.Context, req reconcile.Request) (reconcile.Result, error) {
	framework := &v1alpha1.MesosFramework{}
	if err := r.Client.Get(ctx, req.NamespacedName, framework); err != nil {
		if apierrors.IsNotFound(err) {
			r.endSession(req.Name)
			return reconcile.Result{}, nil
		}
		return reconcile.Result{}, fmt.Errorf("reading MesosFramework: %w", err)
	}
	rc := &reconcileContext{before: framework.DeepCopy(), framework: framework, now: r.Now()}
	reconcileFramework := r.reconcileFramework
	if !framework.DeletionTimestamp.IsZero() {
		reconcileFramework = r.reconcileDeletion
	}
	err := reconcileFramework(ctx, rc)
	if patchErr := r.patchStatus(ctx, rc); patchErr != nil {
		err = errors.Join(err, patchErr)
	}
	return patch.Result(rc.requeue, err)
}

// reconcileFramework keeps a session that is configured as spec and secrets ask for. An
// obstacle to that does not end a running session: it continues with its old configuration.
func (r *Reconciler) reconcileFramework(ctx context.Context, rc *reconcileContext) error {
	if err := r.addFinalizer(ctx, rc); err != nil {
		return err
	}
	nodes, err := r.countNodes(ctx, rc)
	if err != nil {
		return err
	}
	if err := r.permitSecrets(ctx, rc); err != nil {
		return err
	}
	rc.reportProtection()
	err = r.reconcileSession(ctx, rc)
	running := r.findSession(rc.framework.Name)
	if running != nil {
		err = errors.Join(err, r.forgetAgentFailures(ctx, rc, running))
		rc.reportSession(running)
		r.reportOpenAccess(ctx, rc, running, nodes)
	}
	if failed := (*terminalError)(nil); errors.As(err, &failed) {
		rc.setConditions(failureConditions(failed, running != nil)...)
		return nil
	}
	return err
}

// addFinalizer ensures that the framework is torn down in Mesos before the object goes.
func (r *Reconciler) addFinalizer(ctx context.Context, rc *reconcileContext) error {
	added, err := patch.AddFinalizer(ctx, r.Client, rc.framework, v1alpha1.FinalizerTeardown)
	if added {
		rc.before = rc.framework.DeepCopy()
	}
	return err
}

// countNodes writes the number of the framework's MesosNodes into its status, and returns
// them. They are the cache's own and must not be changed.
func (r *Reconciler) countNodes(ctx context.Context, rc *reconcileContext) ([]v1alpha1.MesosNode, error) {
	var nodes v1alpha1.MesosNodeList
	if err := r.Client.List(ctx, &nodes, client.MatchingFields{fieldFramework: rc.framework.Name}, client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("listing MesosNodes: %w", err)
	}
	rc.framework.Status.Nodes = int32(len(nodes.Items))
	return nodes.Items, nil
}
