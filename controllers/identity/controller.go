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
	"github.com/k8sm/k8sm/controllers/patch"
)

const (
	// fetchGrace is the time that a token stays valid after the approval of its request. The
	// kubelet needs it to fetch the certificate. No other request is approved for the token
	// in that time.
	fetchGrace = 30 * time.Second
	// conflictRetry is the delay after a write that was based on an outdated MesosNode in the
	// cache.
	conflictRetry = 200 * time.Millisecond
	// issueGrace is the age of a request up to which it is not denied for the certificate it was
	// made with. The cache may not show yet that this certificate was issued a moment ago.
	issueGrace = 5 * time.Second
	// maxConcurrent is the number of requests that are handled at the same time.
	maxConcurrent = 10
)

// TokenRevoker revokes bootstrap tokens.
type TokenRevoker interface {
	// RevokeID makes the token with this ID invalid. It is no error if there is none.
	RevokeID(ctx context.Context, id string) error
}

// Names knows the names of removed nodes.
type Names interface {
	// IsRemoved reports whether a name is that of a removed node in whose name somebody may
	// hold a certificate that is still valid, and until when.
	IsRemoved(ctx context.Context, name string, now time.Time) (until time.Time, removed bool, err error)
}

// Options are the dependencies of a Reconciler. All are needed.
type Options struct {
	// Client reads from the manager's cache and writes to the API server.
	Client client.Client
	// Live reads from the API server, so that nothing is denied because a cache lags.
	Live client.Reader
	// Tokens revokes the tokens that have been used.
	Tokens TokenRevoker
	// Names knows the names of removed nodes.
	Names Names
	// Recorder records events.
	Recorder events.EventRecorder
	// Now is the clock.
	Now func() time.Time
}

// Reconciler approves and denies the certificate signing requests of our kubelets.
type Reconciler struct {
	Options

	limiter limiter
}

// NewReconciler returns a Reconciler. SetupWithManager makes a manager run it.
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
		return ok && isServedSigner(csr.Spec.SignerName)
	})
	return ctrl.NewControllerManagedBy(mgr).
		Named("certificatesigningrequest").
		For(&certificatesv1.CertificateSigningRequest{}, builder.WithPredicates(ofOurSigners)).
		WithOptions(controller.Options{MaxConcurrentReconciles: maxConcurrent}).
		Complete(r)
}

// Reconcile decides on one request. If the certificate was issued, it records the certificate
// and revokes the token.
func (r *Reconciler) Reconcile(ctx context.Context, req reconcile.Request) (reconcile.Result, error) {
	csr := &certificatesv1.CertificateSigningRequest{}
	if err := r.Client.Get(ctx, req.NamespacedName, csr); err != nil {
		return reconcile.Result{}, client.IgnoreNotFound(err)
	}
	switch {
	case findCondition(csr, certificatesv1.CertificateDenied) != nil, findCondition(csr, certificatesv1.CertificateFailed) != nil:
		return reconcile.Result{}, nil
	case findCondition(csr, certificatesv1.CertificateApproved) != nil:
		if err := r.recordCertificate(ctx, csr); err != nil {
			return patch.Result(0, err)
		}
		return r.revokeUsedToken(ctx, csr)
	}
	if isByNode(csr) || isByBootstrapToken(csr) {
		if wait := r.limiter.take(csr.Spec.Username, r.Now()); wait > 0 {
			return r.postpone(ctx, csr, wait), nil
		}
	}
	request, decision, err := r.evaluate(ctx, csr)
	if err != nil || decision.Outcome == Ignore {
		return reconcile.Result{}, err
	}
	if age := request.Now.Sub(csr.CreationTimestamp.Time); decision.Reason == v1alpha1.ReasonCertificateSuperseded && age < issueGrace {
		return reconcile.Result{RequeueAfter: issueGrace - age}, nil
	}
	if decision.Outcome == Approve {
		err = r.recordTokenUse(ctx, request)
	}
	if err == nil {
		err = r.writeDecision(ctx, request, decision)
	}
	if apierrors.IsConflict(err) {
		return reconcile.Result{RequeueAfter: conflictRetry}, nil
	}
	return reconcile.Result{}, client.IgnoreNotFound(err)
}

// postpone returns when a request of somebody who makes too many is looked at again: never if
// nobody can be waiting for it any more.
func (r *Reconciler) postpone(ctx context.Context, csr *certificatesv1.CertificateSigningRequest, wait time.Duration) reconcile.Result {
	postponedTotal.Inc()
	log.FromContext(ctx).V(1).Info("Postponed a certificate request, because its requestor makes too many", "requestor", csr.Spec.Username)
	if r.Now().Sub(csr.CreationTimestamp.Time) >= maxRequestAge {
		return reconcile.Result{}
	}
	return reconcile.Result{RequeueAfter: wait}
}

// evaluate decides on a first request by the MesosNode in the cache, and again by that of the
// API server before it denies. An approval by the cache is safe: recordTokenUse succeeds only
// with the newest MesosNode. Nothing is written before the approval of other requests, so the
// API server's MesosNode decides on them.
func (r *Reconciler) evaluate(ctx context.Context, csr *certificatesv1.CertificateSigningRequest) (Request, Decision, error) {
	request, err := r.readRequest(ctx, r.Client, csr)
	if err != nil {
		return request, Decision{}, err
	}
	decision := Evaluate(request)
	if decision.Outcome == Deny || decision.Outcome == Approve && isByNode(csr) {
		if request, err = r.readRequest(ctx, r.Live, csr); err != nil {
			return request, Decision{}, err
		}
		decision = Evaluate(request)
	}
	return request, decision, nil
}

// readRequest returns the request together with its MesosNode, if there is one.
func (r *Reconciler) readRequest(ctx context.Context, from client.Reader, csr *certificatesv1.CertificateSigningRequest) (Request, error) {
	request := Request{CSR: csr, Now: r.Now()}
	name := NodeNameOf(csr)
	if name == "" {
		return request, nil
	}
	node := &v1alpha1.MesosNode{}
	switch err := from.Get(ctx, client.ObjectKey{Name: name}, node); {
	case err == nil:
		request.Node = node
		request.Requests, err = r.clientRequestsOf(ctx, node)
		return request, err
	case !apierrors.IsNotFound(err):
		return request, fmt.Errorf("reading MesosNode %s: %w", name, err)
	}
	until, removed, err := r.Names.IsRemoved(ctx, name, request.Now)
	if removed {
		request.RemovedUntil = until
	}
	return request, err
}

// clientRequestsOf returns the requests for client certificates that the cache has of a node.
func (r *Reconciler) clientRequestsOf(ctx context.Context, node *v1alpha1.MesosNode) ([]*certificatesv1.CertificateSigningRequest, error) {
	var all certificatesv1.CertificateSigningRequestList
	if err := r.Client.List(ctx, &all, client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("listing certificate requests: %w", err)
	}
	var own []*certificatesv1.CertificateSigningRequest
	for i := range all.Items {
		if isClientRequestOf(&all.Items[i], node) {
			own = append(own, &all.Items[i])
		}
	}
	return own, nil
}

// recordCertificate records the certificate that was issued last to the node of an approved
// request, and reports a certificate that was issued through another approver to somebody who
// does not hold the last one.
func (r *Reconciler) recordCertificate(ctx context.Context, csr *certificatesv1.CertificateSigningRequest) error {
	name := NodeNameOf(csr)
	issued := issuedCertificate(csr)
	if name == "" || issued == nil || csr.Spec.SignerName != certificatesv1.KubeAPIServerClientKubeletSignerName {
		return nil
	}
	request, err := r.readRequest(ctx, r.Client, csr)
	if err != nil || request.Node == nil || !isClientRequestOf(csr, request.Node) {
		return err
	}
	task := request.Node.Status.Task
	last, known := lastCertificate(task, request.Requests, request.Now)
	if !known || last == nil {
		return nil
	}
	if isByNode(csr) && last.RequestTime.Before(&issued.RequestTime) {
		r.recordSupersededEvent(request, last)
	}
	if task.Certificate != nil && task.Certificate.CredentialID == last.CredentialID {
		return nil
	}
	before := request.Node.DeepCopy()
	task.Certificate = last
	if task.CertificateRequest == "" {
		task.CertificateRequest = last.Request // Another approver has approved it.
	}
	if err := patch.Status(ctx, r.Client, before, request.Node); err != nil {
		return client.IgnoreNotFound(fmt.Errorf("recording the certificate of MesosNode %s: %w", name, err))
	}
	return nil
}

// recordTokenUse records which request a bootstrap token is used for. It must precede the
// approval: whatever happens in between, no second request is approved for the token.
func (r *Reconciler) recordTokenUse(ctx context.Context, request Request) error {
	if !isByBootstrapToken(request.CSR) || request.Node.Status.Task.CertificateRequest == request.CSR.Name {
		return nil
	}
	before := request.Node.DeepCopy()
	request.Node.Status.Task.CertificateRequest = request.CSR.Name
	if err := patch.Status(ctx, r.Client, before, request.Node); err != nil {
		return fmt.Errorf("recording the use of the bootstrap token: %w", err)
	}
	return nil
}

// writeDecision approves or denies the request, then records the event and the metric.
func (r *Reconciler) writeDecision(ctx context.Context, request Request, decision Decision) error {
	csr := request.CSR.DeepCopy()
	kind := certificatesv1.CertificateApproved
	if decision.Outcome == Deny {
		kind = certificatesv1.CertificateDenied
	}
	now := metav1.NewTime(r.Now())
	csr.Status.Conditions = append(csr.Status.Conditions, certificatesv1.CertificateSigningRequestCondition{
		Type:               kind,
		Status:             corev1.ConditionTrue,
		Reason:             decision.Reason,
		Message:            decision.Message,
		LastUpdateTime:     now,
		LastTransitionTime: now,
	})
	if err := r.Client.SubResource("approval").Update(ctx, csr); err != nil {
		return fmt.Errorf("writing the decision: %w", err)
	}
	r.recordDecisionEvent(request, decision)
	decisionsTotal.WithLabelValues(csr.Spec.SignerName, decision.Reason).Inc()
	log.FromContext(ctx).Info("Decided on certificate request", "requestor", csr.Spec.Username, "signer", csr.Spec.SignerName,
		"condition", kind, "reason", decision.Reason, "explanation", decision.Message)
	return nil
}

// revokeUsedToken revokes the token of a request whose certificate was issued, once the kubelet
// has had the time to fetch it.
func (r *Reconciler) revokeUsedToken(ctx context.Context, csr *certificatesv1.CertificateSigningRequest) (reconcile.Result, error) {
	if !isByBootstrapToken(csr) || len(csr.Status.Certificate) == 0 {
		return reconcile.Result{}, nil
	}
	now := r.Now()
	if now.After(csr.CreationTimestamp.Add(bootstraptoken.Lifetime)) {
		return reconcile.Result{}, nil // The token has expired.
	}
	due := findCondition(csr, certificatesv1.CertificateApproved).LastUpdateTime.Add(fetchGrace)
	if wait := due.Sub(now); wait > 0 {
		return reconcile.Result{RequeueAfter: wait}, nil
	}
	return reconcile.Result{}, r.Tokens.RevokeID(ctx, strings.TrimPrefix(csr.Spec.Username, bootstrapUserPrefix))
}

func findCondition(csr *certificatesv1.CertificateSigningRequest, kind certificatesv1.RequestConditionType) *certificatesv1.CertificateSigningRequestCondition {
	for i := range csr.Status.Conditions {
		if csr.Status.Conditions[i].Type == kind {
			return &csr.Status.Conditions[i]
		}
	}
	return nil
}
