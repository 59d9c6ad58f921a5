package agentaddress

import (
	"context"
	"errors"
	"net/netip"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/k8sm/k8sm/api/v1alpha1"
)

// fixture is a Checker over an API server in memory.
type fixture struct {
	*Checker
	now time.Time
	// lists counts the lists of networks of Services; err is their error.
	lists int
	err   error
}

func newFixture(t *testing.T, objects ...client.Object) *fixture {
	t.Helper()
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	f := &fixture{now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
	c := fake.NewClientBuilder().WithScheme(scheme).WithObjects(objects...).
		WithIndex(&corev1.Node{}, fieldAddress, addressesOf).WithIndex(&v1alpha1.MesosNode{}, fieldAddress, addressesOf).WithInterceptorFuncs(interceptor.Funcs{
		List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, opts ...client.ListOption) error {
			if _, ok := list.(*networkingv1.ServiceCIDRList); ok {
				f.lists++
				if f.err != nil {
					return f.err
				}
			}
			return c.List(ctx, list, opts...)
		},
	}).Build()
	f.Checker = &Checker{Client: c, Live: c, APIServer: "https://192.0.2.1:6443", Now: func() time.Time { return f.now }}
	return f
}

func TestCheckerReadsWhatTheClusterKnows(t *testing.T) {
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "worker-7"}, Status: corev1.NodeStatus{Addresses: []corev1.NodeAddress{
		{Type: corev1.NodeHostName, Address: "worker-7"}, {Type: corev1.NodeInternalIP, Address: "10.0.0.7"},
	}}}
	record := newRecord("general-a", "S8", "10.0.0.8", "TASK_RUNNING")
	f := newFixture(t, node, &record,
		&networkingv1.ServiceCIDR{ObjectMeta: metav1.ObjectMeta{Name: "kubernetes"}, Spec: networkingv1.ServiceCIDRSpec{CIDRs: []string{"10.96.0.0/12"}}},
		&discoveryv1.EndpointSlice{
			ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "kubernetes", Labels: map[string]string{discoveryv1.LabelServiceName: "kubernetes"}},
			Endpoints:  []discoveryv1.Endpoint{{Addresses: []string{"10.0.0.1"}}},
		},
		&discoveryv1.EndpointSlice{
			ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "web", Labels: map[string]string{discoveryv1.LabelServiceName: "web"}},
			Endpoints:  []discoveryv1.Endpoint{{Addresses: []string{"10.0.0.50"}}},
		},
	)
	for address, want := range map[string]bool{
		"10.96.0.1": true, "10.0.0.1": true, "192.0.2.1": true, "10.0.0.7": true, "10.0.0.8": true, "10.0.0.50": false, "10.0.0.99": false,
	} {
		if refused, err := f.Check(t.Context(), address, "S1"); refused != want {
			t.Errorf("%s is refused: %t (%v), want %t", address, refused, err, want)
		}
	}
	f.Allowed = []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16")}
	f.now = f.now.Add(refreshInterval)
	if refused, _ := f.Check(t.Context(), "10.0.0.99", "S1"); !refused {
		t.Error("an address outside of --agent-cidrs is accepted")
	}
}

func TestTheClusterIsNotReadForEachLaunch(t *testing.T) {
	f := newFixture(t)
	for range 100 {
		if _, err := f.Check(t.Context(), "10.0.0.99", "S1"); err != nil {
			t.Fatal(err)
		}
	}
	f.now = f.now.Add(refreshInterval)
	if _, err := f.Check(t.Context(), "10.0.0.99", "S1"); err != nil || f.lists != 2 {
		t.Errorf("%d lists (%v), want 2", f.lists, err)
	}
}

func TestAnUnansweredQuestionIsNoRefusal(t *testing.T) {
	f := newFixture(t)
	f.err = errors.New("broken")
	if refused, err := f.Check(t.Context(), "10.0.0.99", "S1"); refused || err == nil {
		t.Errorf("refused: %t, %v; want an error", refused, err)
	}
	f.err = &meta.NoKindMatchError{GroupKind: schema.GroupKind{Group: "networking.k8s.io", Kind: "ServiceCIDR"}}
	if refused, err := f.Check(t.Context(), "10.0.0.99", "S1"); refused || err != nil {
		t.Errorf("refused: %t, %v, by an API server without ServiceCIDRs", refused, err)
	}
}

func TestOnlyObjectsWithTheAddressAreRead(t *testing.T) {
	own := newRecord("general-a", "S8", "10.0.0.8", "TASK_RUNNING")
	objects := []client.Object{&own}
	for name, address := range map[string]string{"general-a": "::ffff:10.0.0.9", "worker-7": "10.0.0.7"} {
		objects = append(objects, &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name}, Status: corev1.NodeStatus{Addresses: []corev1.NodeAddress{
			{Type: corev1.NodeHostName, Address: name}, {Type: corev1.NodeInternalIP, Address: address},
		}}})
	}
	f := newFixture(t, objects...)
	for address, want := range map[string]struct{ records, nodes int }{
		"10.0.0.7": {0, 1}, // not ours
		"10.0.0.8": {1, 0}, // its Node has another address
		"10.0.0.9": {1, 1}, // the record of the Node that has it
		"10.0.0.1": {0, 0},
	} {
		ip := netip.MustParseAddr(address)
		records, nodes, err := f.readNodes(t.Context(), ip)
		if err != nil || len(records) != want.records || len(nodes[ip]) != want.nodes {
			t.Errorf("%s: %d records and %d Nodes (%v), want %+v", address, len(records), len(nodes[ip]), err, want)
		}
	}
	if refused, err := f.Check(t.Context(), "10.0.0.9", "S1"); refused || err != nil {
		t.Errorf("the address that our own Node reports is refused: %v", err)
	}
}

func TestAddressesBehindTheHostNameOfTheAPIServerAreRefused(t *testing.T) {
	f := newFixture(t)
	f.APIServer = "https://kubernetes.example:6443"
	balancer, err, asked := []netip.Addr{netip.MustParseAddr("192.0.2.7"), netip.MustParseAddr("::ffff:192.0.2.8")}, error(nil), ""
	f.LookupHost = func(_ context.Context, host string) ([]netip.Addr, error) {
		asked = host
		return balancer, err
	}
	expect := func(step string, want map[string]bool) {
		t.Helper()
		f.now = f.now.Add(refreshInterval)
		for address, refused := range want {
			if got, err := f.Check(t.Context(), address, "S1"); got != refused {
				t.Errorf("%s: %s is refused: %t (%v), want %t", step, address, got, err, refused)
			}
		}
	}
	expect("resolved", map[string]bool{"192.0.2.7": true, "192.0.2.8": true, "192.0.2.9": false})
	balancer, err = nil, errors.New("no such host")
	expect("not resolved any more", map[string]bool{"192.0.2.7": true, "192.0.2.9": false})
	balancer, err = []netip.Addr{netip.MustParseAddr("192.0.2.9")}, nil
	expect("resolved to another address", map[string]bool{"192.0.2.7": false, "192.0.2.9": true})
	if asked != "kubernetes.example" {
		t.Errorf("asked for %q", asked)
	}
}

func TestAHostNameThatNeverResolvedRefusesNobody(t *testing.T) {
	for name, lookup := range map[string]LookupHost{
		"no resolver": nil,
		"an error":    func(context.Context, string) ([]netip.Addr, error) { return nil, errors.New("no such host") },
	} {
		f := newFixture(t)
		f.APIServer, f.LookupHost = "https://kubernetes.example:6443", lookup
		if refused, err := f.Check(t.Context(), "192.0.2.7", "S1"); refused || err != nil {
			t.Errorf("%s: refused %t, error %v", name, refused, err)
		}
	}
}
