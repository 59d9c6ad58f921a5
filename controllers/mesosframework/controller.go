package mesosframework

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/controllers/identity"
	"github.com/k8sm/k8sm/mesos/session"
)

const (
	// refusedRetry is when a subscription is tried again that the master refused: its
	// access control may have changed, and nobody tells us.
	refusedRetry = 5 * time.Minute
	// conflictRetry is when a look is repeated that went by a cache that lags.
	conflictRetry = time.Second
)

// Options are what a Reconciler is made of. All but Dial, MaySubscribe, Metrics and Log are
// needed.
type Options struct {
	// Client reads from the manager's cache and writes to the API server.
	Client client.Client
	// Live reads from the API server: what must not be missed because a cache lags.
	Live client.Reader
	// Sessions holds those that run.
	Sessions *Sessions
	// Tokens issues and revokes bootstrap tokens.
	Tokens identity.Tokens
	// Supplies are what the operator gives to every node.
	Supplies Supplies
	// Recorder takes events.
	Recorder events.EventRecorder
	// Now is the clock.
	Now func() time.Time
	// Namespace is the operator's own, in which the secrets are.
	Namespace string

	// Hostname of the operator, as shown in Mesos.
	Hostname string
	// Dial makes a session: session.New unless set.
	Dial func(session.Config) (Session, error)
	// MaySubscribe is asked before every subscription: an error holds it back. Nil allows
	// all.
	MaySubscribe func(context.Context) error
	// Metrics that sessions count in.
	Metrics *session.Metrics
	// Log of the sessions.
	Log logr.Logger
}

// Reconciler keeps a session for each MesosFramework.
type Reconciler struct {
	Options
}

// NewReconciler returns a Reconciler that SetupWithManager makes run.
func NewReconciler(options Options) *Reconciler {
	if options.Dial == nil {
		options.Dial = func(c session.Config) (Session, error) { return session.New(c) }
	}
	return &Reconciler{Options: options}
}

// pass is one look at one MesosFramework.
type pass struct {
	before, framework *v1alpha1.MesosFramework
	now               time.Time
	// requeue is when to look again though nothing happens, 0 for never.
	requeue time.Duration
	// gone says that the finalizer is off: there is no status to write.
	gone bool
}

// +kubebuilder:rbac:groups=k8sm.io,resources=mesosframeworks,verbs=get;list;watch;patch
// +kubebuilder:rbac:groups=k8sm.io,resources=mesosframeworks/status,verbs=patch
// +kubebuilder:rbac:groups=k8sm.io,resources=mesosnodepools,verbs=get;list;watch
// +kubebuilder:rbac:groups=k8sm.io,resources=mesosnodes,verbs=get;list;watch
// +kubebuilder:rbac:groups=k8sm.io,resources=mesosnodes/status,verbs=patch
// +kubebuilder:rbac:groups="",namespace=k8sm-system,resources=secrets,verbs=get;list;watch
// +kubebuilder:rbac:groups="",namespace=kube-system,resources=configmaps,resourceNames=extension-apiserver-authentication,verbs=get
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch

// Reconcile looks at one MesosFramework, sees to its session, and tells how it fares.
func (r *Reconciler) Reconcile(ctx context.Context, req reconcile.Request) (reconcile.Result, error) {
	framework := &v1alpha1.MesosFramework{}
	if err := r.Client.Get(ctx, req.NamespacedName, framework); err != nil {
		if apierrors.IsNotFound(err) {
			r.Sessions.end(req.Name)
			return reconcile.Result{}, nil
		}
		return reconcile.Result{}, fmt.Errorf("reading MesosFramework: %w", err)
	}
	p := &pass{before: framework.DeepCopy(), framework: framework, now: r.Now()}
	serve := r.serve
	if !framework.DeletionTimestamp.IsZero() {
		serve = r.release
	}
	err := serve(ctx, p)
	if written := r.writeStatus(ctx, p); written != nil {
		err = errors.Join(err, written)
	}
	if apierrors.IsConflict(err) {
		return reconcile.Result{RequeueAfter: conflictRetry}, nil
	}
	return reconcile.Result{RequeueAfter: p.requeue}, err
}

// serve keeps a session that is as the spec and the secrets want it. What stands against
// that ends no session that is on: it goes on with what it has.
func (r *Reconciler) serve(ctx context.Context, p *pass) error {
	if err := r.finalize(ctx, p); err != nil {
		return err
	}
	if err := r.count(ctx, p); err != nil {
		return err
	}
	err := r.converse(ctx, p)
	running := r.Sessions.find(p.framework.Name)
	if running != nil {
		r.report(p, running)
	}
	if why := (*problem)(nil); errors.As(err, &why) {
		p.set(inTheWay(why, running != nil)...)
		return nil
	}
	return err
}

// finalize sees to it that Mesos hears of the framework's end.
func (r *Reconciler) finalize(ctx context.Context, p *pass) error {
	if !controllerutil.AddFinalizer(p.framework, v1alpha1.FinalizerTeardown) {
		return nil
	}
	patch := client.MergeFromWithOptions(p.before, client.MergeFromWithOptimisticLock{})
	if err := r.Client.Patch(ctx, p.framework, patch); err != nil {
		return fmt.Errorf("adding the finalizer: %w", err)
	}
	p.before = p.framework.DeepCopy()
	return nil
}

// count tells how many MesosNodes the framework has.
func (r *Reconciler) count(ctx context.Context, p *pass) error {
	var nodes v1alpha1.MesosNodeList
	if err := r.Client.List(ctx, &nodes, client.MatchingFields{fieldFramework: p.framework.Name}, client.UnsafeDisableDeepCopy); err != nil {
		return fmt.Errorf("listing MesosNodes: %w", err)
	}
	p.framework.Status.Nodes = int32(len(nodes.Items))
	return nil
}

// converse begins the session, has it go over to other terms, or begins it anew where
// that needs another. A session is replaced only after it has ended: two with one
// framework ID would throw each other out.
func (r *Reconciler) converse(ctx context.Context, p *pass) error {
	running := r.Sessions.find(p.framework.Name)
	if running != nil {
		if err := r.keepID(ctx, p, running); err != nil {
			return err
		}
	}
	wanted, err := r.wanted(ctx, p)
	if err != nil {
		var why *problem
		if errors.As(err, &why) && why.reason == v1alpha1.ReasonDuplicateFramework {
			r.Sessions.end(p.framework.Name)
		}
		return err
	}
	if running == nil {
		return r.begin(ctx, p, wanted, 0)
	}
	if recreates(p.framework, running) {
		return r.recreate(ctx, p, running)
	}
	outdated, err := r.outdated(ctx, p, running, wanted)
	switch {
	case err != nil:
		return err
	case !outdated:
		return running.adopt(wanted)
	case !r.Sessions.end(p.framework.Name):
		return nil // its end brings us back
	}
	return r.begin(ctx, p, wanted, running.rivals())
}

// wanted are the terms that the framework's session is to be held on.
func (r *Reconciler) wanted(ctx context.Context, p *pass) (terms, error) {
	var all v1alpha1.MesosFrameworkList
	if err := r.Client.List(ctx, &all); err != nil {
		return terms{}, fmt.Errorf("listing MesosFrameworks: %w", err)
	}
	if other := olderDuplicate(p.framework, all.Items); other != nil {
		return terms{}, duplicateOf(other)
	}
	with, err := r.access(ctx, p.framework.Spec)
	if err != nil {
		return terms{}, err
	}
	return termsOf(p.framework, with, r.Hostname), nil
}

// outdated tells whether a session is to be replaced: it cannot go over to the terms, it
// ended although it need not, or it is time to try again what another ended.
func (r *Reconciler) outdated(ctx context.Context, p *pass, running *conversation, wanted terms) (bool, error) {
	if running.terms.anew(wanted) {
		return true, nil
	}
	state := running.State()
	if !state.Final {
		exchanged, err := r.exchange(ctx, p, running)
		return exchanged || running.ended(), err
	}
	switch state.Reason {
	case v1alpha1.ReasonRefused:
		return !running.terms.equal(wanted) || p.due(running.began.Add(refusedRetry)), nil
	case v1alpha1.ReasonFailedOver:
		at, again := running.rematch(p.now)
		return again && p.due(at), nil
	}
	exchanged, err := r.exchange(ctx, p, running)
	if why := (*problem)(nil); errors.As(err, &why) {
		return false, nil // that it was removed is what a person has to hear
	}
	return exchanged, err
}

// due tells whether the time has come, and has the framework looked at again when it has.
func (p *pass) due(at time.Time) bool {
	if p.now.Before(at) {
		p.requeue = at.Sub(p.now)
		return false
	}
	return true
}

// report tells how the session fares.
func (r *Reconciler) report(p *pass, running *conversation) {
	state := running.State()
	help := remedy(state, p.framework.Spec, running)
	p.set(subscribed(state, help), readyCondition(state, help))
	if state.Subscribed {
		p.set(specApplied(state))
	}
	if state.Master != "" {
		p.framework.Status.Master = state.Master
		p.framework.Status.MasterVersion = state.MasterVersion
	}
}

// writeStatus patches the status if it changed, then tells of what is true by that.
func (r *Reconciler) writeStatus(ctx context.Context, p *pass) error {
	p.framework.Status.ObservedGeneration = p.framework.Generation
	if p.gone || equality.Semantic.DeepEqual(p.before.Status, p.framework.Status) {
		return nil
	}
	if err := r.Client.Status().Patch(ctx, p.framework, client.MergeFrom(p.before)); err != nil {
		return fmt.Errorf("writing status: %w", client.IgnoreNotFound(err))
	}
	r.tell(p)
	return nil
}
