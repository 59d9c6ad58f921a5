package autoscaler

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/controllers/autoscaler/cordon"
	"github.com/k8sm/k8sm/controllers/autoscaler/forecast"
	"github.com/k8sm/k8sm/controllers/drain"
	"github.com/k8sm/k8sm/controllers/nodemodel"
	"github.com/k8sm/k8sm/controllers/poolnodes"
	"github.com/k8sm/k8sm/mesos/placement"
)

// noon is when every test begins.
var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// testCluster is a Reconciler with an API server in memory and a Mesos that has as much room
// as the test wants. It implements Nodes and Agents.
type testCluster struct {
	t             *testing.T
	client        client.WithWatch
	reconciler    *Reconciler
	recorder      *events.FakeRecorder
	now           time.Time
	capacity      placement.Capacity
	capacityCalls int
	created       int
	unsettled     bool
	missing       string // the right that the operator lacks
}

func newTestCluster(t *testing.T, objects ...client.Object) *testCluster {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := clientgoscheme.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	s := &testCluster{t: t, now: noon, recorder: events.NewFakeRecorder(10000), capacity: placement.Capacity{UnknownReason: "not queried yet"}}
	s.client = fake.NewClientBuilder().WithScheme(scheme).WithObjects(objects...).
		WithObjects(&v1alpha1.MesosFramework{ObjectMeta: metav1.ObjectMeta{Name: "default"}, Spec: v1alpha1.MesosFrameworkSpec{Roles: []string{"k8sm"}}}).
		WithIndex(&corev1.Pod{}, drain.FieldNodeName, func(o client.Object) []string { return []string{o.(*corev1.Pod).Spec.NodeName} }).
		WithStatusSubresource(&v1alpha1.MesosNode{}, &v1alpha1.MesosNodePool{}, &corev1.Pod{}, &corev1.Node{}).Build()
	s.restart()
	return s
}

// restart makes a new Reconciler, which remembers nothing.
func (s *testCluster) restart() {
	s.t.Helper()
	r, err := NewReconciler(Options{Client: s.client, Live: s.client, Nodes: s, Agents: s, Permission: s, Recorder: s.recorder, Now: func() time.Time { return s.now }})
	if err != nil {
		s.t.Fatal(err)
	}
	r.startWatches = func() error { return nil }
	s.reconciler = r
}

// Missing implements Permission.
func (s *testCluster) Missing(context.Context) (string, error) { return s.missing, nil }

// Capacity implements Agents.
func (s *testCluster) Capacity(context.Context, string) placement.Capacity {
	s.capacityCalls++
	return s.capacity
}

// Inventory implements Nodes.
func (s *testCluster) Inventory(_ context.Context, pool *v1alpha1.MesosNodePool) (poolnodes.Inventory, error) {
	fleet := poolnodes.Inventory{}
	if s.unsettled {
		fleet.Pending = 1
	}
	for _, n := range s.nodes(pool.Name) {
		if n.DeletionTimestamp.IsZero() {
			fleet.Alive = append(fleet.Alive, n)
		} else {
			fleet.Leaving = append(fleet.Leaving, n)
		}
	}
	return fleet, nil
}

// Create implements Nodes.
func (s *testCluster) Create(ctx context.Context, pool *v1alpha1.MesosNodePool, sizes []nodemodel.Size) ([]string, error) {
	var names []string
	for _, size := range sizes {
		s.created++
		n := nodemodel.NewNode(pool, fmt.Sprintf("%s-%d", pool.Name, s.created), size)
		n.UID, n.CreationTimestamp = types.UID(n.Name), metav1.NewTime(s.now)
		if err := s.client.Create(ctx, n); err != nil {
			return names, err
		}
		names = append(names, n.Name)
	}
	return names, nil
}

// Remove implements Nodes: nodes go at once.
func (s *testCluster) Remove(ctx context.Context, _ *v1alpha1.MesosNodePool, nodes []*v1alpha1.MesosNode) (int, error) {
	for _, n := range nodes {
		s.deleteNode(n.Name)
	}
	return len(nodes), nil
}

// Disrupt implements Nodes.
func (s *testCluster) Disrupt(ctx context.Context, pool *v1alpha1.MesosNodePool, candidates []poolnodes.Candidate) (poolnodes.Disrupted, error) {
	inventory, err := s.Inventory(ctx, pool)
	if err != nil {
		return poolnodes.Disrupted{}, err
	}
	chosen, out := inventory.Choose(pool, candidates, s.now)
	for _, n := range chosen {
		s.deleteNode(n.Name)
		out.Removed = append(out.Removed, n.Name)
	}
	return out, nil
}

// deleteNode deletes a MesosNode and its Node.
func (s *testCluster) deleteNode(name string) {
	s.t.Helper()
	n := &v1alpha1.MesosNode{}
	s.get(name, n)
	n.Finalizers = nil
	s.must(s.client.Update(context.Background(), n))
	s.must(client.IgnoreNotFound(s.client.Delete(context.Background(), n)))
	s.must(client.IgnoreNotFound(s.client.Delete(context.Background(), &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name}})))
}

func (s *testCluster) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *testCluster) get(name string, object client.Object) {
	s.t.Helper()
	key := client.ObjectKey{Name: name}
	if _, ok := object.(*corev1.Pod); ok {
		key.Namespace = "default"
	}
	s.must(s.client.Get(context.Background(), key, object))
}

// reconcile reconciles until nothing is left to be done at once.
func (s *testCluster) reconcile() {
	s.t.Helper()
	for range 10 {
		result, err := s.reconciler.Reconcile(context.Background(), allPools)
		s.must(err)
		if result.RequeueAfter == 0 || result.RequeueAfter > cacheDelay {
			return
		}
	}
}

// advance lets time pass and reconciles. If nodes are cordoned then, it lets the time pass after
// which they are removed.
func (s *testCluster) advance(d time.Duration) {
	s.t.Helper()
	s.now = s.now.Add(d)
	s.reconcile()
	var nodes corev1.NodeList
	s.must(s.client.List(context.Background(), &nodes))
	if slices.ContainsFunc(nodes.Items, func(n corev1.Node) bool { return cordon.IsCordoned(&n) }) {
		s.now = s.now.Add(cordon.Period)
		s.reconcile()
	}
}

// nodes are the MesosNodes of a pool, by name.
func (s *testCluster) nodes(pool string) []*v1alpha1.MesosNode {
	s.t.Helper()
	var list v1alpha1.MesosNodeList
	s.must(s.client.List(context.Background(), &list, client.MatchingLabels{v1alpha1.LabelPool: pool}))
	var out []*v1alpha1.MesosNode
	for i := range list.Items {
		out = append(out, &list.Items[i])
	}
	return out
}

// expectNodes expects a pool to have so many nodes.
func (s *testCluster) expectNodes(pool string, want int) {
	s.t.Helper()
	if got := len(s.nodes(pool)); got != want {
		s.t.Errorf("pool %s has %d nodes, want %d", pool, got, want)
	}
}

// makeReady makes a node ready, as its executor and its controller would.
func (s *testCluster) makeReady(name string, how ...func(*corev1.Node)) {
	s.t.Helper()
	n := &v1alpha1.MesosNode{}
	s.get(name, n)
	object := forecast.Forecast{}.Node(n)
	object.UID = types.UID("node-" + name)
	for _, h := range how {
		h(object)
	}
	s.must(s.client.Create(context.Background(), object))
	s.setCondition(name, v1alpha1.ConditionRegistered, metav1.ConditionTrue, v1alpha1.ReasonNodeRegistered)
	s.setCondition(name, v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonNodeReady)
}

// setCondition sets a condition of a MesosNode.
func (s *testCluster) setCondition(name, kind string, status metav1.ConditionStatus, reason string) {
	s.t.Helper()
	n := &v1alpha1.MesosNode{}
	s.get(name, n)
	meta.SetStatusCondition(&n.Status.Conditions, metav1.Condition{Type: kind, Status: status, Reason: reason, Message: "as the test wants", LastTransitionTime: metav1.NewTime(s.now)})
	s.must(s.client.Status().Update(context.Background(), n))
}

// addPendingPod creates a pod that the scheduler could not place.
func (s *testCluster) addPendingPod(name, cpu string, how ...func(*corev1.Pod)) *corev1.Pod {
	s.t.Helper()
	pod := newPod(name, cpu, how...)
	pod.CreationTimestamp = metav1.NewTime(s.now)
	s.must(s.client.Create(context.Background(), pod))
	return pod
}

func newPod(name, cpu string, how ...func(*corev1.Pod)) *corev1.Pod {
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "default", UID: types.UID("pod-" + name)},
		Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "main", Resources: corev1.ResourceRequirements{
			Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse(cpu)},
		}}}},
		Status: corev1.PodStatus{Conditions: []corev1.PodCondition{{
			Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: corev1.PodReasonUnschedulable,
		}}},
	}
	for _, h := range how {
		h(pod)
	}
	return pod
}

// bindPod puts a pod onto a node.
func (s *testCluster) bindPod(name, node string) {
	s.t.Helper()
	pod := &corev1.Pod{}
	s.get(name, pod)
	pod.Spec.NodeName, pod.Labels = node, map[string]string{"bound": "true"}
	s.must(s.client.Update(context.Background(), pod))
}

func (s *testCluster) deletePod(name string) {
	s.t.Helper()
	s.must(s.client.Delete(context.Background(), &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "default"}}))
}

// takeEvents returns the events that were recorded since the last call.
func (s *testCluster) takeEvents() []string {
	var out []string
	for {
		select {
		case e := <-s.recorder.Events:
			out = append(out, e)
		default:
			return out
		}
	}
}

// expectEvent expects an event with a text.
func (s *testCluster) expectEvent(text string) {
	s.t.Helper()
	events := s.takeEvents()
	if !slices.ContainsFunc(events, func(e string) bool { return strings.Contains(e, text) }) {
		s.t.Errorf("no event contains %q: %q", text, events)
	}
}

// status of a pool's autoscaling.
func (s *testCluster) status(pool string) v1alpha1.AutoscalingStatus {
	s.t.Helper()
	p := &v1alpha1.MesosNodePool{}
	s.get(pool, p)
	if p.Status.Autoscaling == nil {
		return v1alpha1.AutoscalingStatus{}
	}
	return *p.Status.Autoscaling
}

// newPool returns a pool with nodes of 4 CPUs that shrinks without delay.
func newPool(name string, how ...func(*v1alpha1.MesosNodePool)) *v1alpha1.MesosNodePool {
	second, none := metav1.Duration{Duration: time.Second}, metav1.Duration{}
	p := &v1alpha1.MesosNodePool{
		ObjectMeta: metav1.ObjectMeta{Name: name, UID: types.UID(name), Generation: 1},
		Spec: v1alpha1.MesosNodePoolSpec{
			FrameworkRef: v1alpha1.FrameworkReference{Name: "default"},
			Autoscaling: &v1alpha1.Autoscaling{
				Batch:     v1alpha1.AutoscalingBatch{Idle: &none, Max: &none},
				ScaleDown: v1alpha1.ScaleDown{ConsolidationPolicy: v1alpha1.WhenEmpty, ConsolidateAfter: &second, MinNodeLifetime: &none, AfterGrowth: &none},
			},
			Disruption: v1alpha1.Disruption{Budgets: []v1alpha1.DisruptionBudget{{Nodes: intstr.FromString("100%")}}},
			Template: v1alpha1.NodeTemplate{Spec: v1alpha1.NodeTemplateSpec{
				Resources: v1alpha1.NodeResources{CPU: resource.MustParse("4"), Memory: resource.MustParse("8Gi")},
				Overhead:  v1alpha1.NodeOverhead{CPU: resource.MustParse("100m"), Memory: resource.MustParse("256Mi")},
			}},
		},
		Status: v1alpha1.MesosNodePoolStatus{Conditions: []metav1.Condition{
			{Type: v1alpha1.ConditionFrameworkReady, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonFrameworkReady},
			{Type: v1alpha1.ConditionTemplateValid, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonTemplateValid},
		}},
	}
	for _, h := range how {
		h(p)
	}
	return p
}

// mesosNodeOf returns a node of a pool, in zone eu-1.
func mesosNodeOf(p *v1alpha1.MesosNodePool, name string) *v1alpha1.MesosNode {
	return nodemodel.NewNode(p, name, nodemodel.Size{Resources: p.Spec.Template.Spec.Resources, Zone: "eu-1"})
}
