package identity

import (
	"context"
	"fmt"
	"strings"
	"time"

	certificatesv1 "k8s.io/api/certificates/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/controllers/bootstraptoken"
)

// fetchGrace is how long a token outlives the approval of its request: with it, the
// kubelet fetches the certificate. It is good for no other request from the approval on.
const fetchGrace = 30 * time.Second

// conflictRetry is when a request is looked at again whose record the cache shows late.
const conflictRetry = 200 * time.Millisecond

// TokenRevoker revokes bootstrap tokens.
type TokenRevoker interface {
	// RevokeID makes the token with this ID invalid. It is no error if there is none.
	RevokeID(ctx context.Context, id string) error
}

// Options are what a Reconciler is made of. All are needed.
type Options struct {
	// Client reads from the manager's cache and writes to the API server.
	Client client.Client
	// Live reads from the API server: nothing is denied because a cache lags.
	Live client.Reader
	// Tokens revokes the tokens that have been used.
	Tokens TokenRevoker
	// Recorder takes events.
	Recorder events.EventRecorder
	// Now is the clock.
	Now func() time.Time
}

// Reconciler approves and denies the certificate signing requests of our kubelets.
type Reconciler struct {
	Options
}

// NewReconciler returns a Reconciler that SetupWithManager makes run.
func NewReconciler(options Options) *Reconciler { return &Reconciler{Options: options} }

// +kubebuilder:rbac:groups=certificates.k8s.io,resources=certificatesigningrequests,verbs=get;list;watch
// +kubebuilder:rbac:groups=certificates.k8s.io,resources=certificatesigningrequests/approval,verbs=update
// +kubebuilder:rbac:groups=certificates.k8s.io,resources=signers,resourceNames=kubernetes.io/kube-apiserver-client-kubelet;kubernetes.io/kubelet-serving,verbs=approve
// +kubebuilder:rbac:groups=k8sm.io,resources=mesosnodes,verbs=get;list;watch
// +kubebuilder:rbac:groups=k8sm.io,resources=mesosnodes/status,verbs=patch
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch

// SetupWithManager makes the manager run the Reconciler.
func (r *Reconciler) SetupWithManager(mgr ctrl.Manager) error {
	ofOurSigners := predicate.NewPredicateFuncs(func(object client.Object) bool {
		csr, ok := object.(*certificatesv1.CertificateSigningRequest)
		return ok && served(csr.Spec.SignerName)
	})
	return ctrl.NewControllerManagedBy(mgr).
		Named("certificatesigningrequest").
		For(&certificatesv1.CertificateSigningRequest{}, builder.WithPredicates(ofOurSigners)).
		WithOptions(controller.Options{MaxConcurrentReconciles: 10}).
		Complete(r)
}

// Reconcile judges one request, or takes back the token of one that is done.
func (r *Reconciler) Reconcile(ctx context.Context, req reconcile.Request) (reconcile.Result, error) {
	csr := &certificatesv1.CertificateSigningRequest{}
	if err := r.Client.Get(ctx, req.NamespacedName, csr); err != nil {
		return reconcile.Result{}, client.IgnoreNotFound(err)
	}
	switch {
	case condition(csr, certificatesv1.CertificateDenied) != nil, condition(csr, certificatesv1.CertificateFailed) != nil:
		return reconcile.Result{}, nil
	case condition(csr, certificatesv1.CertificateApproved) != nil:
		return r.revokeSpent(ctx, csr)
	}
	request, ruling, err := r.judge(ctx, csr)
	if err != nil || ruling.Decision == Ignore {
		return reconcile.Result{}, err
	}
	if ruling.Decision == Approve {
		err = r.spend(ctx, request)
	}
	if err == nil {
		err = r.rule(ctx, request, ruling)
	}
	if apierrors.IsConflict(err) {
		return reconcile.Result{RequeueAfter: conflictRetry}, nil
	}
	return reconcile.Result{}, client.IgnoreNotFound(err)
}

// judge goes by the cache as long as that finds nothing amiss, else by the API server.
// An approval from the cache is safe: a token is spent only on the newest record.
func (r *Reconciler) judge(ctx context.Context, csr *certificatesv1.CertificateSigningRequest) (Request, Ruling, error) {
	request, err := r.gather(ctx, r.Client, csr)
	if err != nil {
		return request, Ruling{}, err
	}
	ruling := Judge(request)
	if ruling.Decision == Deny {
		if request, err = r.gather(ctx, r.Live, csr); err != nil {
			return request, Ruling{}, err
		}
		ruling = Judge(request)
	}
	return request, ruling, nil
}

func (r *Reconciler) gather(ctx context.Context, from client.Reader, csr *certificatesv1.CertificateSigningRequest) (Request, error) {
	request := Request{CSR: csr}
	name := NodeNameOf(csr)
	if name == "" {
		return request, nil
	}
	node := &v1alpha1.MesosNode{}
	switch err := from.Get(ctx, client.ObjectKey{Name: name}, node); {
	case err == nil:
		request.Node = node
	case !apierrors.IsNotFound(err):
		return request, fmt.Errorf("reading MesosNode %s: %w", name, err)
	}
	return request, nil
}

// spend writes down what request a bootstrap token is used for, before it is approved:
// whatever happens between, no second request is approved for it.
func (r *Reconciler) spend(ctx context.Context, request Request) error {
	if !byBootstrapToken(request.CSR) || request.Node.Status.Task.CertificateRequest == request.CSR.Name {
		return nil
	}
	before := request.Node.DeepCopy()
	request.Node.Status.Task.CertificateRequest = request.CSR.Name
	patch := client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})
	if err := r.Client.Status().Patch(ctx, request.Node, patch); err != nil {
		return fmt.Errorf("recording what the bootstrap token is spent on: %w", err)
	}
	return nil
}

// rule writes the ruling into the request, and tells of it.
func (r *Reconciler) rule(ctx context.Context, request Request, ruling Ruling) error {
	csr := request.CSR.DeepCopy()
	kind := certificatesv1.CertificateApproved
	if ruling.Decision == Deny {
		kind = certificatesv1.CertificateDenied
	}
	now := metav1.NewTime(r.Now())
	csr.Status.Conditions = append(csr.Status.Conditions, certificatesv1.CertificateSigningRequestCondition{
		Type:               kind,
		Status:             corev1.ConditionTrue,
		Reason:             ruling.Reason,
		Message:            ruling.Message,
		LastUpdateTime:     now,
		LastTransitionTime: now,
	})
	if err := r.Client.SubResource("approval").Update(ctx, csr); err != nil {
		return fmt.Errorf("writing the ruling: %w", err)
	}
	r.told(request, ruling)
	rulings.WithLabelValues(csr.Spec.SignerName, ruling.Reason).Inc()
	log.FromContext(ctx).Info("Certificate request judged", "requestor", csr.Spec.Username, "signer", csr.Spec.SignerName,
		"condition", kind, "reason", ruling.Reason, "explanation", ruling.Message)
	return nil
}

// revokeSpent deletes the token of a request whose certificate was issued, once the
// kubelet has had the time to fetch it.
func (r *Reconciler) revokeSpent(ctx context.Context, csr *certificatesv1.CertificateSigningRequest) (reconcile.Result, error) {
	if !byBootstrapToken(csr) || len(csr.Status.Certificate) == 0 {
		return reconcile.Result{}, nil
	}
	now := r.Now()
	if now.After(csr.CreationTimestamp.Add(bootstraptoken.Lifetime)) {
		return reconcile.Result{}, nil // it has expired by itself
	}
	due := condition(csr, certificatesv1.CertificateApproved).LastUpdateTime.Add(fetchGrace)
	if wait := due.Sub(now); wait > 0 {
		return reconcile.Result{RequeueAfter: wait}, nil
	}
	return reconcile.Result{}, r.Tokens.RevokeID(ctx, strings.TrimPrefix(csr.Spec.Username, bootstrapUserPrefix))
}

func condition(csr *certificatesv1.CertificateSigningRequest, kind certificatesv1.RequestConditionType) *certificatesv1.CertificateSigningRequestCondition {
	for i := range csr.Status.Conditions {
		if csr.Status.Conditions[i].Type == kind {
			return &csr.Status.Conditions[i]
		}
	}
	return nil
}
