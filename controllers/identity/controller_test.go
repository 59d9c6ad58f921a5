package identity

import (
	"context"
	"encoding/pem"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	certificatesv1 "k8s.io/api/certificates/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/controllers/bootstraptoken"
)

func decode(t *testing.T, csr *certificatesv1.CertificateSigningRequest) []byte {
	t.Helper()
	block, _ := pem.Decode(csr.Spec.Request)
	return block.Bytes
}

func encode(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der})
}

// fixture is a Reconciler over an API server in memory.
type fixture struct {
	*Reconciler
	t        *testing.T
	recorder *events.FakeRecorder
	now      time.Time
	// removed has the names of removed nodes, and until when their certificates may be valid.
	removed map[string]time.Time
	// log holds the writes, in order.
	log []string
	// failures are the errors of writes, by their entry in the log. Each is returned once.
	failures map[string]error
}

func newFixture(t *testing.T, objects ...client.Object) *fixture {
	t.Helper()
	o := &fixture{t: t, now: noon.Add(time.Minute), recorder: events.NewFakeRecorder(1000), failures: map[string]error{}}
	c := fake.NewClientBuilder().WithScheme(newScheme(t)).WithObjects(objects...).
		WithStatusSubresource(&v1alpha1.MesosNode{}).
		WithInterceptorFuncs(interceptor.Funcs{
			SubResourceUpdate: func(ctx context.Context, c client.Client, sub string, object client.Object, opts ...client.SubResourceUpdateOption) error {
				return o.write("update "+sub, func() error { return c.SubResource(sub).Update(ctx, object, opts...) })
			},
			SubResourcePatch: func(ctx context.Context, c client.Client, sub string, object client.Object, patch client.Patch, opts ...client.SubResourcePatchOption) error {
				return o.write("patch "+sub, func() error { return c.SubResource(sub).Patch(ctx, object, patch, opts...) })
			},
			Delete: func(ctx context.Context, c client.WithWatch, object client.Object, opts ...client.DeleteOption) error {
				return o.write("delete "+object.GetName(), func() error { return c.Delete(ctx, object, opts...) })
			},
		}).Build()
	o.Reconciler = NewReconciler(Options{
		Client: c, Live: c, Tokens: bootstraptoken.Issuer{Writer: c}, Names: o, Recorder: o.recorder, Now: func() time.Time { return o.now },
	})
	return o
}

func (o *fixture) write(what string, do func() error) error {
	o.log = append(o.log, what)
	if err := o.failures[what]; err != nil {
		delete(o.failures, what)
		return err
	}
	return do()
}

// IsRemoved implements Names.
func (o *fixture) IsRemoved(_ context.Context, name string, now time.Time) (time.Time, bool, error) {
	until, removed := o.removed[name]
	return until, removed && now.Before(until), nil
}

// reconcile reconciles a request, and returns the delay until it is to be reconciled again.
func (o *fixture) reconcile(csr client.Object) time.Duration {
	o.t.Helper()
	result, err := o.Reconcile(context.Background(), reconcile.Request{NamespacedName: client.ObjectKeyFromObject(csr)})
	if err != nil {
		o.t.Fatal(err)
	}
	return result.RequeueAfter
}

func (o *fixture) get(object client.Object, name string) {
	o.t.Helper()
	if err := o.Client.Get(context.Background(), client.ObjectKey{Name: name}, object); err != nil {
		o.t.Fatal(err)
	}
}

// conditions returns the conditions of a request, as type and reason.
func (o *fixture) conditions(name string) []string {
	o.t.Helper()
	var csr certificatesv1.CertificateSigningRequest
	o.get(&csr, name)
	var out []string
	for _, c := range csr.Status.Conditions {
		out = append(out, string(c.Type)+" "+c.Reason)
	}
	return out
}

func TestTheUseOfATokenIsRecordedBeforeItsRequestIsApproved(t *testing.T) {
	a := newFirstRequest()
	csr := a.signed(t)
	o := newFixture(t, csr, a.node)
	o.reconcile(csr)
	if diff := cmp.Diff([]string{"patch status", "update approval"}, o.log); diff != "" {
		t.Errorf("writes (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"Approved " + v1alpha1.ReasonMatchesRecord}, o.conditions(csr.Name)); diff != "" {
		t.Errorf("conditions (-want +got):\n%s", diff)
	}
	var node v1alpha1.MesosNode
	o.get(&node, nodeName)
	if node.Status.Task.CertificateRequest != csr.Name {
		t.Errorf("the token was spent on %q, want %q", node.Status.Task.CertificateRequest, csr.Name)
	}
}

func TestTokenIsValidForOneRequest(t *testing.T) {
	first, second := newFirstRequest(), newFirstRequest()
	second.csr.Name = "node-csr-2"
	one, two := first.signed(t), second.signed(t)
	o := newFixture(t, one, two, first.node)
	o.reconcile(one)
	o.reconcile(two)
	if diff := cmp.Diff([]string{"Denied " + v1alpha1.ReasonTokenSpent}, o.conditions(two.Name)); diff != "" {
		t.Errorf("conditions of the second (-want +got):\n%s", diff)
	}
}

func TestAnApprovalThatFailedIsRepeated(t *testing.T) {
	a := newFirstRequest()
	csr := a.signed(t)
	o := newFixture(t, csr, a.node)
	o.failures["update approval"] = apierrors.NewInternalError(context.DeadlineExceeded)
	if _, err := o.Reconcile(context.Background(), reconcile.Request{NamespacedName: client.ObjectKeyFromObject(csr)}); err == nil {
		t.Fatal("the failure was swallowed")
	}
	o.reconcile(csr)
	if diff := cmp.Diff([]string{"Approved " + v1alpha1.ReasonMatchesRecord}, o.conditions(csr.Name)); diff != "" {
		t.Errorf("conditions (-want +got):\n%s", diff)
	}
}

func TestNothingIsApprovedOnARecordThatHasChanged(t *testing.T) {
	a := newFirstRequest()
	csr := a.signed(t)
	o := newFixture(t, csr, a.node)
	o.failures["patch status"] = apierrors.NewConflict(schema.GroupResource{Resource: "mesosnodes"}, nodeName, nil)
	if again := o.reconcile(csr); again != conflictRetry {
		t.Errorf("looked at again after %s, want %s", again, conflictRetry)
	}
	if got := o.conditions(csr.Name); got != nil {
		t.Errorf("conditions are %v, want none", got)
	}
}

func TestStaleCacheDeniesNothing(t *testing.T) {
	a := newFirstRequest()
	csr := a.signed(t)
	o := newFixture(t, csr, a.node)
	stale := a.node.DeepCopy()
	stale.Status.Task = nil
	cache := newFixture(t, csr, stale)
	o.Reconciler.Client = interceptor.NewClient(o.Reconciler.Client.(client.WithWatch), interceptor.Funcs{
		Get: func(ctx context.Context, _ client.WithWatch, key client.ObjectKey, into client.Object, opts ...client.GetOption) error {
			return cache.Client.Get(ctx, key, into, opts...)
		},
	})
	o.reconcile(csr)
	var got certificatesv1.CertificateSigningRequest
	if err := o.Live.Get(context.Background(), client.ObjectKeyFromObject(csr), &got); err != nil {
		t.Fatal(err)
	}
	if findCondition(&got, certificatesv1.CertificateApproved) == nil {
		t.Errorf("the request was not approved: %+v", got.Status.Conditions)
	}
}

func TestDenialIsRecordedOnTheMesosNode(t *testing.T) {
	a := newFirstRequest()
	a.certificate.Subject.Organization = []string{"system:masters"}
	csr := a.signed(t)
	o := newFixture(t, csr, a.node)
	o.reconcile(csr)
	if diff := cmp.Diff([]string{"Denied " + v1alpha1.ReasonSubjectMismatch}, o.conditions(csr.Name)); diff != "" {
		t.Errorf("conditions (-want +got):\n%s", diff)
	}
	told := <-o.recorder.Events
	for _, part := range []string{"Warning", v1alpha1.EventCSRDenied, csr.Name, "system:masters"} {
		if !strings.Contains(told, part) {
			t.Errorf("the event %q does not contain %q", told, part)
		}
	}
}

func TestRequestsOfOthersAreLeftAlone(t *testing.T) {
	a := newRenewal()
	csr := a.signed(t)
	o := newFixture(t, csr)
	o.reconcile(csr)
	if len(o.log) > 0 || o.conditions(csr.Name) != nil {
		t.Errorf("wrote %v", o.log)
	}
}

func TestARemovedNodeGetsNoCertificate(t *testing.T) {
	for name, test := range map[string]struct {
		of    *testRequest
		until time.Time
		want  []string
	}{
		"a renewal":                         {newRenewal(), noon.Add(time.Hour), []string{"Denied " + v1alpha1.ReasonNameRetired}},
		"a serving certificate":             {newServingRequest(), noon.Add(time.Hour), []string{"Denied " + v1alpha1.ReasonNameRetired}},
		"after its certificate has expired": {newRenewal(), noon, nil},
	} {
		t.Run(name, func(t *testing.T) {
			csr := test.of.signed(t)
			o := newFixture(t, csr)
			o.removed = map[string]time.Time{nodeName: test.until}
			o.reconcile(csr)
			if diff := cmp.Diff(test.want, o.conditions(csr.Name)); diff != "" {
				t.Errorf("conditions (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAUsedTokenIsRevoked(t *testing.T) {
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "kube-system", Name: "bootstrap-token-" + tokenID}}
	tests := map[string]struct {
		issued  bool
		at      time.Time
		again   time.Duration
		revoked bool
	}{
		"the token is kept until the certificate is issued":                        {at: noon.Add(10 * time.Minute)},
		"the token is kept while the kubelet may still fetch the certificate":      {issued: true, at: noon.Add(time.Minute + 10*time.Second), again: 20 * time.Second},
		"the token is revoked after the kubelet had time to fetch the certificate": {issued: true, at: noon.Add(2 * time.Minute), revoked: true},
		"an expired token is left to expire if the operator was not running":       {issued: true, at: noon.Add(time.Hour)},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			a := newFirstRequest()
			csr := approved(a.signed(t), noon.Add(time.Minute), test.issued)
			o := newFixture(t, csr, a.node, secret.DeepCopy())
			o.now = test.at
			if again := o.reconcile(csr); again != test.again {
				t.Errorf("looked at again after %s, want %s", again, test.again)
			}
			err := o.Client.Get(context.Background(), client.ObjectKeyFromObject(secret), &corev1.Secret{})
			if apierrors.IsNotFound(err) != test.revoked {
				t.Errorf("revoked: %t, want %t", apierrors.IsNotFound(err), test.revoked)
			}
		})
	}
}

func TestTokenOfAnotherSignerIsNotTouched(t *testing.T) {
	a := newFirstRequest()
	a.csr.Spec.Groups = []string{"system:bootstrappers"}
	csr := approved(a.signed(t), noon, true)
	o := newFixture(t, csr, a.node)
	o.now = noon.Add(5 * time.Minute)
	o.reconcile(csr)
	if len(o.log) > 0 {
		t.Errorf("wrote %v", o.log)
	}
}

func TestARequestThatIsGoneIsNoError(t *testing.T) {
	a := newFirstRequest()
	csr := a.signed(t)
	gone := apierrors.NewNotFound(schema.GroupResource{Group: "certificates.k8s.io", Resource: "certificatesigningrequests"}, csr.Name)
	tests := map[string]struct {
		objects  []client.Object
		failures map[string]error
	}{
		"the request is deleted before it is read":                    {objects: []client.Object{a.node}},
		"the request is deleted before the token is recorded as used": {objects: []client.Object{csr, a.node}, failures: map[string]error{"patch status": gone}},
		"the request is deleted before it is approved":                {objects: []client.Object{csr, a.node}, failures: map[string]error{"update approval": gone}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			o := newFixture(t, test.objects...)
			for write, err := range test.failures {
				o.failures[write] = err
			}
			if again := o.reconcile(csr); again != 0 {
				t.Errorf("looked at again after %s", again)
			}
			if len(o.recorder.Events) > 0 {
				t.Errorf("an event was recorded: %s", <-o.recorder.Events)
			}
		})
	}
}
