package taskrecord

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/controllers/bootstraptoken"
	"github.com/k8sm/k8sm/mesos/placement"
	"github.com/k8sm/k8sm/mesos/scheduler"
)

// noon is the time of the clock.
var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

const (
	nodeName = "general-x7k2p"
	taskID   = "general-x7k2p.0f1e2d3c.1"
)

// cluster is an API server in memory whose writes can meet conflicts and failures.
type cluster struct {
	t         *testing.T
	client    client.WithWatch
	conflicts int // how many writes of a status meet a conflict
	writes    int // of a status
	// failAt makes the write of that number fail, of a status or an object, and all after it.
	failAt, allWrites int
	// refuse returns why a write is refused for its content; nil accepts all.
	refuse func(client.Object) error
}

var errFailed = errors.New("the API server has failed")

func newCluster(t *testing.T, objects ...client.Object) *cluster {
	t.Helper()
	c := &cluster{t: t}
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	c.client = fake.NewClientBuilder().WithScheme(scheme).WithObjects(objects...).
		WithStatusSubresource(&v1alpha1.MesosNode{}, &v1alpha1.MesosFramework{}).
		WithInterceptorFuncs(interceptor.Funcs{
			SubResourcePatch: c.patchStatus,
			Patch: func(ctx context.Context, w client.WithWatch, object client.Object, patch client.Patch, opts ...client.PatchOption) error {
				if c.fails() {
					return errFailed
				}
				return w.Patch(ctx, object, patch, opts...)
			},
		}).Build()
	return c
}

func (c *cluster) fails() bool {
	c.allWrites++
	return c.failAt > 0 && c.allWrites >= c.failAt
}

// patchStatus makes a write meet a conflict by a change of another writer before it.
func (c *cluster) patchStatus(ctx context.Context, w client.Client, sub string, object client.Object, patch client.Patch, opts ...client.SubResourcePatchOption) error {
	c.writes++
	if c.fails() {
		return errFailed
	}
	if c.refuse != nil {
		if err := c.refuse(object); err != nil {
			return err
		}
	}
	if c.conflicts > 0 {
		c.conflicts--
		other := object.DeepCopyObject().(client.Object)
		if err := w.Get(ctx, client.ObjectKeyFromObject(object), other); err != nil {
			return err
		}
		other.SetLabels(map[string]string{"touched": time.Duration(c.conflicts).String()})
		if err := w.Update(ctx, other); err != nil {
			return err
		}
	}
	return w.SubResource(sub).Patch(ctx, object, patch, opts...)
}

// store is the record of the framework "default".
func (c *cluster) store() *Store {
	return New("default", Options{
		Client: c.client, Live: c.client, Tokens: bootstraptoken.Issuer{Writer: c.client},
		Payload: buildPayload, Now: func() time.Time { return noon },
	})
}

// buildPayload returns a payload whose data is the token.
func buildPayload(_ context.Context, n *v1alpha1.MesosNode, intent scheduler.Intent, token string) (scheduler.Payload, error) {
	if intent.Address == "" {
		return scheduler.Payload{}, errors.New("the agent has no address")
	}
	return scheduler.Payload{Name: n.Name, Data: []byte(token)}, nil
}

// tokens returns the IDs of the bootstrap tokens that exist.
func (c *cluster) tokens() []string {
	c.t.Helper()
	var secrets corev1.SecretList
	if err := c.client.List(context.Background(), &secrets, client.InNamespace("kube-system")); err != nil {
		c.t.Fatal(err)
	}
	var out []string
	for _, secret := range secrets.Items {
		out = append(out, strings.TrimPrefix(secret.Name, "bootstrap-token-"))
	}
	return out
}

func (c *cluster) node() *v1alpha1.MesosNode {
	c.t.Helper()
	out := &v1alpha1.MesosNode{}
	if err := c.client.Get(context.Background(), client.ObjectKey{Name: nodeName}, out); err != nil {
		c.t.Fatal(err)
	}
	return out
}

func (c *cluster) framework() *v1alpha1.MesosFramework {
	c.t.Helper()
	out := &v1alpha1.MesosFramework{}
	if err := c.client.Get(context.Background(), client.ObjectKey{Name: "default"}, out); err != nil {
		c.t.Fatal(err)
	}
	return out
}

func newFramework(changes ...func(*v1alpha1.MesosFramework)) *v1alpha1.MesosFramework {
	f := &v1alpha1.MesosFramework{ObjectMeta: metav1.ObjectMeta{Name: "default"}}
	for _, change := range changes {
		change(f)
	}
	return f
}

func newNode(changes ...func(*v1alpha1.MesosNode)) *v1alpha1.MesosNode {
	n := &v1alpha1.MesosNode{
		ObjectMeta: metav1.ObjectMeta{
			Name: nodeName, UID: "0f1e2d3c-aaaa-bbbb-cccc-000000000001",
			Labels: map[string]string{v1alpha1.LabelPool: "general"}, Finalizers: []string{v1alpha1.FinalizerRelease},
		},
		Spec:   v1alpha1.MesosNodeSpec{FrameworkRef: v1alpha1.FrameworkReference{Name: "default"}},
		Status: v1alpha1.MesosNodeStatus{Attempt: 1},
	}
	for _, change := range changes {
		change(n)
	}
	return n
}

func newIntent() scheduler.Intent {
	return scheduler.Intent{
		TaskID: taskID, AgentID: "S1", Hostname: "agent-1.example", Address: "10.1.2.3", Region: "eu", Zone: "eu-1",
		Ports: []int{31000, 31001}, Resources: placement.Resources{CPUs: 4, MemMiB: 16384, Ports: 2},
	}
}
