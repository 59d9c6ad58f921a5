package disruption

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/controllers/drain"
	"github.com/k8sm/k8sm/controllers/nodemodel"
	"github.com/k8sm/k8sm/controllers/poolnodes"
	"github.com/k8sm/k8sm/controllers/revision"
	"github.com/k8sm/k8sm/mesos/scheduler"
)

var noon = time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)

// Revisions that the template of a test can have.
const (
	old     = revision.Revision("11111111-aaaaaaaa")
	current = revision.Revision("22222222-aaaaaaaa")
)

// fixture is a pool with an API server in memory.
type fixture struct {
	t          *testing.T
	api        client.WithWatch
	reconciler *Reconciler
	events     *events.FakeRecorder
	now        time.Time
	revision   revision.Revision
	invalid    error // why the template has no revision
	kubelets   []v1alpha1.Artifact
	release    string
	windows    map[string]time.Time // by agent
	names      atomic.Int64
	last       reconcile.Result
}

func newFixture(t *testing.T, pool *v1alpha1.MesosNodePool, objects ...client.Object) *fixture {
	t.Helper()
	s := &fixture{t: t, now: noon, revision: current, events: events.NewFakeRecorder(1000), windows: map[string]time.Time{}}
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{v1alpha1.AddToScheme, corev1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	builder := fake.NewClientBuilder().WithScheme(scheme).WithObjects(append(objects, pool)...).
		WithStatusSubresource(&v1alpha1.MesosNode{}, &v1alpha1.MesosNodePool{}).
		WithIndex(&corev1.Pod{}, drain.FieldNodeName, func(o client.Object) []string { return []string{o.(*corev1.Pod).Spec.NodeName} })
	if err := poolnodes.IndexByPool(t.Context(), indexer{builder}); err != nil {
		t.Fatal(err)
	}
	s.api = interceptor.NewClient(builder.Build(), interceptor.Funcs{
		Create: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.CreateOption) error {
			o.SetUID(types.UID("uid-" + o.GetName()))
			o.SetCreationTimestamp(metav1.NewTime(s.now))
			return c.Create(ctx, o, opts...)
		},
	})
	s.restart()
	s.now = noon.Add(settleTime) // most tests are not about the start
	return s
}

// restart makes a new process, which remembers nothing.
func (s *fixture) restart() {
	now := func() time.Time { return s.now }
	nodes := poolnodes.NewStore(poolnodes.Options{
		Client: s.api, Live: s.api, Recorder: s.events, Now: now,
		Revision: func(*v1alpha1.MesosNodePool) string { return string(s.revision) },
		Suffix:   func() string { return fmt.Sprintf("new%d", s.names.Add(1)) },
	})
	s.reconciler = NewReconciler(Options{Client: s.api, Live: s.api, Nodes: nodes, Revisions: s, Agents: s, Recorder: s.events, Now: now})
	s.reconciler.started()
}

type indexer struct{ *fake.ClientBuilder }

func (i indexer) IndexField(_ context.Context, object client.Object, field string, extract client.IndexerFunc) error {
	i.WithIndex(object, field, extract)
	return nil
}

// Revision implements Revisions.
func (s *fixture) Revision(*v1alpha1.MesosNodePool) (revision.Revision, error) {
	return s.revision, s.invalid
}

// KubernetesRelease implements Revisions.
func (s *fixture) KubernetesRelease(v1alpha1.NodeRuntime) string { return s.release }

// Kubelets implements Revisions.
func (s *fixture) Kubelets(v1alpha1.NodeRuntime) []v1alpha1.Artifact { return s.kubelets }

// Maintenance implements Agents.
func (s *fixture) Maintenance(_, agentID string) (scheduler.Window, bool) {
	begin, planned := s.windows[agentID]
	return scheduler.Window{Start: begin, Duration: time.Hour}, planned
}

func newPool(replicas int32, change ...func(*v1alpha1.MesosNodePool)) *v1alpha1.MesosNodePool {
	p := &v1alpha1.MesosNodePool{
		ObjectMeta: metav1.ObjectMeta{Name: "general", UID: "pool", Generation: 1},
		Spec: v1alpha1.MesosNodePoolSpec{
			FrameworkRef: v1alpha1.FrameworkReference{Name: "default"}, Replicas: &replicas,
			Template: v1alpha1.NodeTemplate{Spec: v1alpha1.NodeTemplateSpec{
				Resources: v1alpha1.NodeResources{CPU: resource.MustParse("4"), Memory: resource.MustParse("8Gi")},
			}},
			Rollout: v1alpha1.Rollout{MaxSurge: new(intstr.FromInt32(1)), MaxUnavailable: new(intstr.FromInt32(0)), ProgressDeadline: &metav1.Duration{Duration: 30 * time.Minute}},
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

// newNode returns a ready node of the pool, which is a day old, on an agent of its own.
func newNode(pool *v1alpha1.MesosNodePool, name string, r revision.Revision, change ...func(*v1alpha1.MesosNode)) *v1alpha1.MesosNode {
	n := nodemodel.NewNode(pool, name, nodemodel.Size{Resources: pool.Spec.Template.Spec.Resources})
	n.UID, n.CreationTimestamp = types.UID("uid-"+name), metav1.NewTime(noon.Add(-24*time.Hour))
	n.OwnerReferences = []metav1.OwnerReference{{APIVersion: v1alpha1.GroupVersion.String(), Kind: "MesosNodePool", Name: pool.Name, UID: pool.UID, Controller: new(true)}}
	if r != "" {
		n.Labels[v1alpha1.LabelRevision] = string(r)
	}
	n.Status.Task = &v1alpha1.MesosTask{ID: name + ".1", AgentID: "agent-of-" + name, AgentHostname: "host-of-" + name, State: "TASK_RUNNING"}
	setCondition(n, v1alpha1.ConditionRegistered, metav1.ConditionTrue, noon.Add(-24*time.Hour))
	setCondition(n, v1alpha1.ConditionReady, metav1.ConditionTrue, noon.Add(-23*time.Hour))
	for _, c := range change {
		c(n)
	}
	return n
}

func setCondition(n *v1alpha1.MesosNode, kind string, status metav1.ConditionStatus, at time.Time) {
	meta.SetStatusCondition(&n.Status.Conditions, metav1.Condition{Type: kind, Status: status, Reason: "Test", LastTransitionTime: metav1.NewTime(at)})
}

// nodeOf returns the Node of a MesosNode.
func nodeOf(n *v1alpha1.MesosNode, kubelet string) *corev1.Node {
	return &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: n.Name},
		Spec:       corev1.NodeSpec{ProviderID: nodemodel.CurrentProviderID(n)},
		Status:     corev1.NodeStatus{NodeInfo: corev1.NodeSystemInfo{KubeletVersion: kubelet}},
	}
}

func (s *fixture) reconcile() {
	s.t.Helper()
	var err error
	if s.last, err = s.reconciler.Reconcile(s.t.Context(), reconcile.Request{NamespacedName: types.NamespacedName{Name: "general"}}); err != nil {
		s.t.Fatalf("reconciling: %v", err)
	}
}

func (s *fixture) pool() *v1alpha1.MesosNodePool {
	s.t.Helper()
	p := &v1alpha1.MesosNodePool{}
	if err := s.api.Get(s.t.Context(), client.ObjectKey{Name: "general"}, p); err != nil {
		s.t.Fatal(err)
	}
	return p
}

// changeNode changes a MesosNode and its status.
func (s *fixture) changeNode(name string, how func(*v1alpha1.MesosNode)) {
	s.t.Helper()
	n := &v1alpha1.MesosNode{}
	if err := s.api.Get(s.t.Context(), client.ObjectKey{Name: name}, n); err != nil {
		s.t.Fatal(err)
	}
	how(n)
	status := n.DeepCopy()
	if err := s.api.Update(s.t.Context(), n); err != nil {
		s.t.Fatal(err)
	}
	status.ResourceVersion = n.ResourceVersion
	if err := s.api.Status().Update(s.t.Context(), status); err != nil {
		s.t.Fatal(err)
	}
}

// letGo ends a node that is being deleted, as the controller of MesosNodes does.
func (s *fixture) letGo(name string) {
	s.t.Helper()
	n := &v1alpha1.MesosNode{}
	if err := s.api.Get(s.t.Context(), client.ObjectKey{Name: name}, n); err != nil {
		s.t.Fatal(err)
	}
	n.Finalizers = nil
	if err := s.api.Update(s.t.Context(), n); err != nil {
		s.t.Fatal(err)
	}
}

// becomeReady makes a node ready now.
func (s *fixture) becomeReady(name string) {
	s.t.Helper()
	s.changeNode(name, func(n *v1alpha1.MesosNode) {
		n.Status.Task = &v1alpha1.MesosTask{ID: name + ".1", AgentID: "agent-of-" + name, State: "TASK_RUNNING"}
		setCondition(n, v1alpha1.ConditionRegistered, metav1.ConditionTrue, s.now)
		setCondition(n, v1alpha1.ConditionReady, metav1.ConditionTrue, s.now)
	})
}

// nodes describes the MesosNodes, sorted: "general-new1 for a", "a leaving".
func (s *fixture) nodes() string {
	s.t.Helper()
	var list v1alpha1.MesosNodeList
	if err := s.api.List(s.t.Context(), &list); err != nil {
		s.t.Fatal(err)
	}
	var out []string
	for _, n := range list.Items {
		text := n.Name
		if replaced := n.Annotations[v1alpha1.AnnotationReplaces]; replaced != "" {
			text += " for " + replaced
		}
		if !n.DeletionTimestamp.IsZero() {
			text += " leaving"
		}
		out = append(out, text)
	}
	slices.Sort(out)
	return strings.Join(out, ", ")
}

// expectNodes fails the test if the MesosNodes are others.
func (s *fixture) expectNodes(want string) {
	s.t.Helper()
	if got := s.nodes(); got != want {
		s.t.Errorf("the nodes are %q, want %q", got, want)
	}
}

// expectUpToDate fails the test if the condition UpToDate has another reason, or its message lacks
// a part.
func (s *fixture) expectUpToDate(reason string, parts ...string) {
	s.t.Helper()
	c := meta.FindStatusCondition(s.pool().Status.Conditions, v1alpha1.ConditionUpToDate)
	if c == nil || c.Reason != reason {
		s.t.Fatalf("the condition is %+v, want reason %s", c, reason)
	}
	for _, part := range parts {
		if !strings.Contains(c.Message, part) {
			s.t.Errorf("the message %q does not contain %q", c.Message, part)
		}
	}
}
