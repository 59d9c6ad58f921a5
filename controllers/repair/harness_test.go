package repair

import (
	"context"
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
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/controllers/nodemodel"
	"github.com/k8sm/k8sm/controllers/poolnodes"
)

var noon = time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)

// fixture is a pool with an API server in memory.
type fixture struct {
	t          *testing.T
	api        client.WithWatch
	reconciler *Reconciler
	events     *events.FakeRecorder
	now        time.Time
	last       reconcile.Result
}

// newFixture returns a pool whose framework has been Ready for an hour, with nodes that have been
// Ready for nearly a day.
func newFixture(t *testing.T, nodes string, change ...func(*v1alpha1.MesosNodePool)) *fixture {
	t.Helper()
	s := &fixture{t: t, now: noon, events: events.NewFakeRecorder(1000)}
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{v1alpha1.AddToScheme, corev1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	pool := newPool(change...)
	builder := fake.NewClientBuilder().WithScheme(scheme).WithObjects(pool, newFramework()).
		WithStatusSubresource(&v1alpha1.MesosNode{}, &v1alpha1.MesosNodePool{}, &v1alpha1.MesosFramework{}, &corev1.Node{})
	for _, name := range strings.Fields(nodes) {
		n := newNode(pool, name)
		builder.WithObjects(n, newObject(n))
	}
	if err := poolnodes.IndexByPool(t.Context(), indexer{builder}); err != nil {
		t.Fatal(err)
	}
	s.api = builder.Build()
	s.restart()
	return s
}

// restart makes a new process, which remembers nothing.
func (s *fixture) restart() {
	now := func() time.Time { return s.now }
	nodes := poolnodes.NewStore(poolnodes.Options{Client: s.api, Live: s.api, Recorder: s.events, Now: now})
	s.reconciler = NewReconciler(Options{Client: s.api, Nodes: nodes, Recorder: s.events, Now: now})
}

type indexer struct{ *fake.ClientBuilder }

func (i indexer) IndexField(_ context.Context, object client.Object, field string, extract client.IndexerFunc) error {
	i.WithIndex(object, field, extract)
	return nil
}

func newPool(change ...func(*v1alpha1.MesosNodePool)) *v1alpha1.MesosNodePool {
	p := &v1alpha1.MesosNodePool{
		ObjectMeta: metav1.ObjectMeta{Name: "general", UID: "pool", Generation: 1, CreationTimestamp: metav1.NewTime(noon.Add(-48 * time.Hour))},
		Spec: v1alpha1.MesosNodePoolSpec{
			FrameworkRef: v1alpha1.FrameworkReference{Name: "default"}, Replicas: new(int32(3)),
			Template: v1alpha1.NodeTemplate{Spec: v1alpha1.NodeTemplateSpec{
				Resources: v1alpha1.NodeResources{CPU: resource.MustParse("4"), Memory: resource.MustParse("8Gi")},
			}},
			Unreachable: v1alpha1.Unreachable{ReplaceAfter: &metav1.Duration{Duration: 15 * time.Minute}},
		},
		Status: v1alpha1.MesosNodePoolStatus{Conditions: []metav1.Condition{
			{Type: v1alpha1.ConditionFrameworkReady, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonFrameworkReady, ObservedGeneration: 1},
			{Type: v1alpha1.ConditionTemplateValid, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonTemplateValid, ObservedGeneration: 1},
		}},
	}
	for _, c := range change {
		c(p)
	}
	return p
}

func newFramework() *v1alpha1.MesosFramework {
	return &v1alpha1.MesosFramework{
		ObjectMeta: metav1.ObjectMeta{Name: "default"},
		Status: v1alpha1.MesosFrameworkStatus{Conditions: []metav1.Condition{
			{Type: v1alpha1.ConditionReady, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonSubscribed, LastTransitionTime: metav1.NewTime(noon.Add(-time.Hour))},
		}},
	}
}

// newNode returns a node of the pool in a zone: "zone/name" or "name".
func newNode(pool *v1alpha1.MesosNodePool, name string) *v1alpha1.MesosNode {
	zone, rest, hasZone := strings.Cut(name, "/")
	if hasZone {
		name = rest
	} else {
		zone = ""
	}
	n := nodemodel.NewNode(pool, name, nodemodel.Size{Resources: pool.Spec.Template.Spec.Resources})
	n.UID, n.CreationTimestamp = types.UID("uid-"+name), metav1.NewTime(noon.Add(-24*time.Hour))
	n.OwnerReferences = []metav1.OwnerReference{{APIVersion: v1alpha1.GroupVersion.String(), Kind: "MesosNodePool", Name: pool.Name, UID: pool.UID, Controller: new(true)}}
	n.Status.Task = &v1alpha1.MesosTask{
		ID: name + ".1", AgentID: "agent-of-" + name, AgentHostname: "host-of-" + name, State: "TASK_RUNNING", Zone: zone,
		IntentTime: metav1.NewTime(noon.Add(-24 * time.Hour)),
	}
	setCondition(n, v1alpha1.ConditionLaunched, metav1.ConditionTrue, v1alpha1.ReasonTaskRunning, noon.Add(-24*time.Hour))
	setCondition(n, v1alpha1.ConditionRegistered, metav1.ConditionTrue, v1alpha1.ReasonNodeRegistered, noon.Add(-24*time.Hour))
	setCondition(n, v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonNodeReady, noon.Add(-23*time.Hour))
	return n
}

func newObject(n *v1alpha1.MesosNode) *corev1.Node {
	return &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: n.Name},
		Spec:       corev1.NodeSpec{ProviderID: nodemodel.CurrentProviderID(n)},
		Status: corev1.NodeStatus{Conditions: []corev1.NodeCondition{
			{Type: corev1.NodeReady, Status: corev1.ConditionTrue, LastTransitionTime: metav1.NewTime(noon.Add(-23 * time.Hour))},
			{Type: corev1.NodeMemoryPressure, Status: corev1.ConditionFalse, LastTransitionTime: metav1.NewTime(noon.Add(-24 * time.Hour))},
		}},
	}
}

func setCondition(n *v1alpha1.MesosNode, kind string, status metav1.ConditionStatus, reason string, at time.Time) {
	meta.SetStatusCondition(&n.Status.Conditions, metav1.Condition{Type: kind, Status: status, Reason: reason, LastTransitionTime: metav1.NewTime(at)})
}

func (s *fixture) reconcile() {
	s.t.Helper()
	var err error
	if s.last, err = s.reconciler.Reconcile(s.t.Context(), reconcile.Request{NamespacedName: types.NamespacedName{Name: "general"}}); err != nil {
		s.t.Fatalf("reconciling: %v", err)
	}
}

// after moves the clock and reconciles.
func (s *fixture) after(d time.Duration) {
	s.t.Helper()
	s.now = s.now.Add(d)
	s.reconcile()
}

func (s *fixture) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *fixture) pool() *v1alpha1.MesosNodePool {
	s.t.Helper()
	p := &v1alpha1.MesosNodePool{}
	s.must(s.api.Get(s.t.Context(), client.ObjectKey{Name: "general"}, p))
	return p
}

func (s *fixture) changePool(how func(*v1alpha1.MesosNodePool)) {
	s.t.Helper()
	p := s.pool()
	how(p)
	s.must(s.api.Update(s.t.Context(), p))
}

// report sets a condition of the Nodes, as kubelets and others do, since some time ago. MesosNodes
// follow as their controller makes them.
func (s *fixture) report(names string, kind corev1.NodeConditionType, status corev1.ConditionStatus, ago time.Duration) {
	s.t.Helper()
	at := metav1.NewTime(s.now.Add(-ago))
	for _, name := range strings.Fields(names) {
		object := &corev1.Node{}
		s.must(s.api.Get(s.t.Context(), client.ObjectKey{Name: name}, object))
		object.Status.Conditions = append(slices.DeleteFunc(object.Status.Conditions, func(c corev1.NodeCondition) bool { return c.Type == kind }),
			corev1.NodeCondition{Type: kind, Status: status, LastTransitionTime: at, Message: "It is said so."})
		s.must(s.api.Status().Update(s.t.Context(), object))
		if kind == corev1.NodeReady {
			is, reason := metav1.ConditionFalse, v1alpha1.ReasonNodeNotReady
			if status == corev1.ConditionTrue {
				is, reason = metav1.ConditionTrue, v1alpha1.ReasonNodeReady
			}
			s.changeNodes(name, func(n *v1alpha1.MesosNode) { setCondition(n, v1alpha1.ConditionReady, is, reason, at.Time) })
		}
	}
}

// cutOff makes the agents of nodes unreachable since some time ago.
func (s *fixture) cutOff(names string, ago time.Duration) {
	s.t.Helper()
	s.changeNodes(names, func(n *v1alpha1.MesosNode) {
		setCondition(n, v1alpha1.ConditionLaunched, metav1.ConditionUnknown, v1alpha1.ReasonTaskUnreachable, s.now.Add(-ago))
		n.Status.Task.State = "TASK_UNREACHABLE"
	})
}

// comeBack makes them reachable again.
func (s *fixture) comeBack(names string) {
	s.t.Helper()
	s.changeNodes(names, func(n *v1alpha1.MesosNode) {
		setCondition(n, v1alpha1.ConditionLaunched, metav1.ConditionTrue, v1alpha1.ReasonTaskRunning, s.now)
		n.Status.Task.State = "TASK_RUNNING"
	})
}

func (s *fixture) changeNodes(names string, how func(*v1alpha1.MesosNode)) {
	s.t.Helper()
	for _, name := range strings.Fields(names) {
		n := &v1alpha1.MesosNode{}
		s.must(s.api.Get(s.t.Context(), client.ObjectKey{Name: name}, n))
		how(n)
		s.must(s.api.Status().Update(s.t.Context(), n))
	}
}

// expectStay fails the test if others are the nodes that stay.
func (s *fixture) expectStay(want string) {
	s.t.Helper()
	var list v1alpha1.MesosNodeList
	s.must(s.api.List(s.t.Context(), &list))
	var names []string
	for _, n := range list.Items {
		if n.DeletionTimestamp.IsZero() {
			names = append(names, n.Name)
		}
	}
	if got := strings.Join(names, " "); got != want {
		s.t.Errorf("the nodes that stay are %q, want %q", got, want)
	}
}

// expectPermitted fails the test if the condition RepairPermitted has another reason, or its message
// lacks a part.
func (s *fixture) expectPermitted(reason string, parts ...string) {
	s.t.Helper()
	c := meta.FindStatusCondition(s.pool().Status.Conditions, v1alpha1.ConditionRepairPermitted)
	if c == nil || c.Reason != reason || (c.Status == metav1.ConditionTrue) != (reason == v1alpha1.ReasonFewUnhealthy) {
		s.t.Fatalf("the condition is %+v, want reason %s", c, reason)
	}
	for _, part := range parts {
		if !strings.Contains(c.Message, part) {
			s.t.Errorf("the message %q does not contain %q", c.Message, part)
		}
	}
}

// recorded returns the events since the last call.
func (s *fixture) recorded() (out []string) {
	for {
		select {
		case e := <-s.events.Events:
			out = append(out, e)
		default:
			return out
		}
	}
}
