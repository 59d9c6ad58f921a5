package framework

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

// serve keeps a session that is as the spec and the secrets want it.
func (r *Reconciler) serve(ctx context.Context, p *pass) error {
	if err := r.finalize(ctx, p); err != nil {
		return err
	}
	if err := r.count(ctx, p); err != nil {
		return err
	}
	err := r.converse(ctx, p)
	if why := (*problem)(nil); errors.As(err, &why) {
		p.set(notBegun(why)...)
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

// converse begins the session, or begins it anew when it is not what it should be, and
// tells of its state. A session is replaced only after it has ended: two with one
// framework ID would throw each other out.
func (r *Reconciler) converse(ctx context.Context, p *pass) error {
	wanted, fingerprint, err := r.wanted(ctx, p)
	if err != nil {
		var why *problem
		if errors.As(err, &why) && why.reason == v1alpha1.ReasonDuplicateFramework {
			r.Sessions.end(p.framework.Name)
		}
		return err
	}
	running := r.Sessions.find(p.framework.Name)
	if running != nil && r.outdated(p, running, fingerprint) {
		if !r.Sessions.end(p.framework.Name) {
			return nil // its end brings us back
		}
		running = nil
	}
	if running == nil {
		if err := r.begin(ctx, p, wanted, fingerprint); err != nil {
			return err
		}
		running = r.Sessions.find(p.framework.Name)
	}
	r.report(p, running.State())
	return nil
}

// wanted is with what the framework's session is to come to the masters.
func (r *Reconciler) wanted(ctx context.Context, p *pass) (access, string, error) {
	var all v1alpha1.MesosFrameworkList
	if err := r.Client.List(ctx, &all); err != nil {
		return access{}, "", fmt.Errorf("listing MesosFrameworks: %w", err)
	}
	if other := olderDuplicate(p.framework, all.Items); other != nil {
		return access{}, "", duplicateOf(other)
	}
	wanted, err := r.access(ctx, p.framework.Spec)
	if err != nil {
		return access{}, "", err
	}
	print, err := fingerprint(p.framework.Spec, wanted)
	return wanted, print, err
}

// outdated tells whether a session is to be replaced: it was made from something else,
// it ended although it need not, or it was refused a while ago.
func (r *Reconciler) outdated(p *pass, running *conversation, fingerprint string) bool {
	state := running.State()
	switch {
	case running.fingerprint != fingerprint:
		return true
	case state.Final && state.Reason == v1alpha1.ReasonRefused:
		due := running.began.Add(refusedRetry)
		if p.now.Before(due) {
			p.requeue = due.Sub(p.now)
			return false
		}
		return true
	}
	return running.ended() && !state.Final
}

// report tells how the session fares.
func (r *Reconciler) report(p *pass, state session.State) {
	p.set(subscribed(state), readyCondition(state))
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
