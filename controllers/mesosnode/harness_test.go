package mesosnode

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/controllers/nodemodel"
	"github.com/k8sm/k8sm/controllers/nodetemplate"
	"github.com/k8sm/k8sm/mesos/nodeapi"
	"github.com/k8sm/k8sm/mesos/placement"
	"github.com/k8sm/k8sm/mesos/scheduler"
)

// noon is the time at which every test begins.
var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

const (
	nodeName = "general-x7k2p"
	nodeUID  = types.UID("0f1e2d3c-aaaa-bbbb-cccc-000000000001")
	agentID  = "c0ffee-S3"
	firstID  = "general-x7k2p.0f1e2d3c.1"
)

// fixture is a reconciler with one node over an API server in memory, and with fakes of
// everything else that it calls.
type fixture struct {
	t          *testing.T
	client     client.WithWatch
	reconciler *Reconciler
	now        time.Time
	session    *fakeSession
	sessions   bool                        // whether the framework has a session
	windows    map[string]scheduler.Window // by agent
	tokens     *fakeTokens
	names      *fakeNames
	volumes    *fakeVolumes
	runtime    nodetemplate.Resolved
	refusal    nodetemplate.Refusal
	resolveErr error
	mirror     *nodeapi.ServerCredentials // for the mirror
	mirrorErr  error
	recorder   *events.FakeRecorder
	writes     int              // to the API server
	evictions  map[string]error // answers, by pod
	last       reconcile.Result
}

// fakeSession is a framework's session that records what it is asked for.
type fakeSession struct {
	ready       bool
	demands     map[string]placement.Demand
	killed      map[string]string // agent by task
	messages    []string          // to the node's task
	explanation string
}

func (f *fakeSession) Ready() bool                  { return f.ready }
func (f *fakeSession) AddDemand(d placement.Demand) { f.demands[d.ID] = d }
func (f *fakeSession) WithdrawDemand(taskID string) { delete(f.demands, taskID) }
func (f *fakeSession) Kill(taskID, agentID string)  { f.killed[taskID] = agentID }
func (f *fakeSession) SendMessage(_ string, data []byte) {
	f.messages = append(f.messages, string(data))
}
func (f *fakeSession) Explain(string) (string, bool) { return f.explanation, f.explanation != "" }
func (s *fixture) Get(name string) (Session, bool)   { return s.session, s.sessions && name == "default" }
func (s *fixture) Maintenance(_, agent string) (scheduler.Window, bool) {
	w, planned := s.windows[agent]
	return w, planned
}
func (s *fixture) Resolve(_ context.Context, spec v1alpha1.NodeTemplateSpec) (nodetemplate.Resolved, nodetemplate.Refusal, error) {
	if reason, message := nodetemplate.Check(spec); reason != "" {
		return s.runtime, nodetemplate.Refusal{Reason: reason, Message: message}, s.resolveErr
	}
	return s.runtime, s.refusal, s.resolveErr
}
func (s *fixture) Changes() <-chan event.GenericEvent { return nil }
func (s *fixture) Credentials(context.Context) (*nodeapi.ServerCredentials, error) {
	return s.mirror, s.mirrorErr
}

// fakeTokens counts revocations by task.
type fakeTokens struct {
	revoked []string
	err     error
}

func (f *fakeTokens) Revoke(_ context.Context, node *v1alpha1.MesosNode) error {
	if node.Status.Task != nil && f.err == nil {
		f.revoked = append(f.revoked, node.Status.Task.ID)
	}
	return f.err
}

// fakeNames holds names in memory.
type fakeNames struct {
	live, removed map[string]time.Time
	err           error
}

func (f *fakeNames) IsRemoved(_ context.Context, name string, now time.Time) (time.Time, bool, error) {
	until, removed := f.removed[name]
	return until, removed && now.Before(until), f.err
}

func (f *fakeNames) SetLive(_ context.Context, name string, until time.Time, _ bool) error {
	f.live[name] = until
	return f.err
}

func (f *fakeNames) SetRemoved(_ context.Context, name string, until time.Time) error {
	if f.err == nil {
		f.removed[name] = until
	}
	return f.err
}

// fakeVolumes are the volumes attached to the node.
type fakeVolumes struct {
	attached, detaching []string
	err                 error
}

func (f *fakeVolumes) Attached(context.Context, string) ([]string, error) { return f.attached, f.err }
func (f *fakeVolumes) Detaching(context.Context, string) ([]string, error) {
	return f.detaching, f.err
}

// newFixture starts a test with a new MesosNode, a framework that is ready, and what else
// there is.
func newFixture(t *testing.T, objects ...client.Object) *fixture {
	t.Helper()
	s := &fixture{
		t: t, now: noon, sessions: true,
		session:   &fakeSession{ready: true, demands: map[string]placement.Demand{}, killed: map[string]string{}},
		tokens:    &fakeTokens{},
		names:     &fakeNames{live: map[string]time.Time{}, removed: map[string]time.Time{}},
		volumes:   &fakeVolumes{},
		recorder:  events.NewFakeRecorder(100),
		evictions: map[string]error{},
		runtime:   nodetemplate.Resolved{ContainerRuntime: "none", Artifacts: []v1alpha1.Artifact{{Name: "executor"}, {Name: "kubelet"}}},
	}
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	s.client = fake.NewClientBuilder().WithScheme(scheme).
		WithObjects(append(objects, newFramework(), newNode())...).
		WithStatusSubresource(&v1alpha1.MesosNode{}, &v1alpha1.MesosFramework{}).
		WithIndex(&corev1.Pod{}, "spec.nodeName", func(o client.Object) []string { return []string{o.(*corev1.Pod).Spec.NodeName} }).
		WithIndex(&v1alpha1.MesosNode{}, fieldNeedsSession, needsSession).
		WithIndex(&v1alpha1.MesosNode{}, fieldAgent, agentIDs).
		WithInterceptorFuncs(s.interceptors()).Build()
	s.reconciler = NewReconciler(Options{
		Client: s.client, Live: s.client, Sessions: s, Tokens: s.tokens, Names: s.names, Volumes: s.volumes, Runtimes: s, Mirror: s, Recorder: s.recorder,
		Now: func() time.Time { return s.now }, Changes: make(chan event.GenericEvent),
	})
	return s
}

// interceptors count writes, and answer evictions as the test sets: an eviction that is
// allowed deletes its pod.
func (s *fixture) interceptors() interceptor.Funcs {
	return interceptor.Funcs{
		Patch: func(ctx context.Context, c client.WithWatch, o client.Object, rc client.Patch, opts ...client.PatchOption) error {
			s.writes++
			return c.Patch(ctx, o, rc, opts...)
		},
		SubResourcePatch: func(ctx context.Context, c client.Client, kind string, o client.Object, rc client.Patch, opts ...client.SubResourcePatchOption) error {
			s.writes++
			return c.SubResource(kind).Patch(ctx, o, rc, opts...)
		},
		Delete: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.DeleteOption) error {
			s.writes++
			return c.Delete(ctx, o, opts...)
		},
		SubResourceCreate: func(ctx context.Context, c client.Client, _ string, o, _ client.Object, _ ...client.SubResourceCreateOption) error {
			if err := s.evictions[o.GetName()]; err != nil {
				return err
			}
			return c.Delete(ctx, o)
		},
	}
}

func newFramework() *v1alpha1.MesosFramework {
	return &v1alpha1.MesosFramework{
		ObjectMeta: metav1.ObjectMeta{Name: "default"},
		Spec:       v1alpha1.MesosFrameworkSpec{Masters: []string{"m:5050"}, Roles: []string{"k8sm", "other"}},
	}
}

func newNode() *v1alpha1.MesosNode {
	return &v1alpha1.MesosNode{
		ObjectMeta: metav1.ObjectMeta{
			Name: nodeName, UID: nodeUID, Generation: 1, CreationTimestamp: metav1.NewTime(noon),
			Labels:     map[string]string{v1alpha1.LabelPool: "general"},
			Finalizers: []string{v1alpha1.FinalizerRelease},
		},
		Spec: v1alpha1.MesosNodeSpec{
			FrameworkRef: v1alpha1.FrameworkReference{Name: "default"},
			Template: v1alpha1.NodeTemplate{
				Metadata: v1alpha1.NodeTemplateMetadata{Labels: map[string]string{"team": "data"}, Annotations: map[string]string{"note": "x"}},
				Spec: v1alpha1.NodeTemplateSpec{
					Resources: v1alpha1.NodeResources{CPU: resource.MustParse("2"), Memory: resource.MustParse("4Gi")},
					Taints:    []v1alpha1.Taint{{Key: "dedicated", Value: "data", Effect: corev1.TaintEffectNoSchedule}},

					StartupTaints: []v1alpha1.Taint{{Key: "example.com/agent-not-ready", Effect: corev1.TaintEffectNoExecute}},
				},
			},
			Placement: v1alpha1.Placement{MaxNodesPerAgent: 1},
		},
	}
}

// reconcile reconciles the node once, and fails the test on an error.
func (s *fixture) reconcile() {
	s.t.Helper()
	result, err := s.tryReconcile()
	if err != nil {
		s.t.Fatalf("reconciling: %v", err)
	}
	s.last = result
}

func (s *fixture) tryReconcile() (reconcile.Result, error) {
	return s.reconciler.Reconcile(context.Background(), reconcile.Request{NamespacedName: types.NamespacedName{Name: nodeName}})
}

// reconcileAfter lets time pass, then reconciles.
func (s *fixture) reconcileAfter(d time.Duration) {
	s.t.Helper()
	s.now = s.now.Add(d)
	s.reconcile()
}

// mesosNode reads the MesosNode, nil when it is gone.
func (s *fixture) mesosNode() *v1alpha1.MesosNode {
	s.t.Helper()
	node := &v1alpha1.MesosNode{}
	err := s.client.Get(context.Background(), client.ObjectKey{Name: nodeName}, node)
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		s.t.Fatal(err)
	}
	return node
}

// setTaskState writes the task's status as the session's store would, and reconciles.
func (s *fixture) setTaskState(state scheduler.TaskState, change ...func(*v1alpha1.MesosTask)) {
	s.t.Helper()
	node := s.mesosNode()
	if node.Status.Task == nil {
		node.Status.Task = &v1alpha1.MesosTask{
			ID: nodemodel.TaskID(node, node.Status.Attempt), AgentID: agentID, AgentHostname: "agent-3.example",
			Region: "eu", Zone: "eu-1", IntentTime: metav1.NewTime(s.now), RegistrationTaint: true,
		}
	}
	node.Status.Task.State = string(state)
	node.Status.Task.UpdateTime = &metav1.Time{Time: s.now}
	for _, c := range change {
		c(node.Status.Task)
	}
	if err := s.client.Status().Update(context.Background(), node); err != nil {
		s.t.Fatal(err)
	}
	s.reconcile()
}

// setNodeReady registers the Node, or sets its readiness, and reconciles.
func (s *fixture) setNodeReady(ready corev1.ConditionStatus) {
	s.t.Helper()
	ctx := context.Background()
	object := s.kubernetesNode()
	if object == nil {
		object = &corev1.Node{
			ObjectMeta: metav1.ObjectMeta{Name: nodeName, UID: types.UID("node-of-" + s.mesosNode().Status.Task.ID)},
			Spec: corev1.NodeSpec{ProviderID: nodemodel.CurrentProviderID(s.mesosNode()), Taints: []corev1.Taint{
				{Key: "k8sm.io/unregistered", Effect: corev1.TaintEffectNoSchedule}, {Key: "dedicated", Value: "data", Effect: corev1.TaintEffectNoSchedule},
			}},
		}
		if err := s.client.Create(ctx, object); err != nil {
			s.t.Fatal(err)
		}
	}
	object.Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeReady, Status: ready, Message: "kubelet reports " + string(ready)}}
	if err := s.client.Status().Update(ctx, object); err != nil {
		s.t.Fatal(err)
	}
	s.reconcile()
}

// kubernetesNode reads the Node, nil when there is none.
func (s *fixture) kubernetesNode() *corev1.Node {
	s.t.Helper()
	object := &corev1.Node{}
	err := s.client.Get(context.Background(), client.ObjectKey{Name: nodeName}, object)
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		s.t.Fatal(err)
	}
	return object
}

// makeReady brings the node to where it is ready.
func (s *fixture) makeReady() *fixture {
	s.t.Helper()
	s.reconcile()
	s.setTaskState(scheduler.TaskStarting)
	s.setNodeReady(corev1.ConditionFalse)
	s.setTaskState(scheduler.TaskRunning)
	s.setNodeReady(corev1.ConditionTrue)
	s.expectCondition(v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonNodeReady)
	return s
}

// deleteNode deletes the MesosNode, as a pool or a person would, and reconciles.
func (s *fixture) deleteNode() {
	s.t.Helper()
	if err := s.client.Delete(context.Background(), s.mesosNode()); err != nil {
		s.t.Fatal(err)
	}
	s.reconcile()
}

// update changes the MesosNode as a person would, and reconciles.
func (s *fixture) update(how func(*v1alpha1.MesosNode)) {
	s.t.Helper()
	node := s.mesosNode()
	how(node)
	if err := s.client.Update(context.Background(), node); err != nil {
		s.t.Fatal(err)
	}
	s.reconcile()
}

// expectCondition checks a condition.
func (s *fixture) expectCondition(kind string, status metav1.ConditionStatus, reason string) {
	s.t.Helper()
	node := s.mesosNode()
	if node == nil {
		s.t.Fatal("the MesosNode is gone")
	}
	c := meta.FindStatusCondition(node.Status.Conditions, kind)
	if c == nil {
		s.t.Fatalf("condition %s is not set", kind)
	}
	if c.Status != status || c.Reason != reason {
		s.t.Errorf("%s is %s/%s (%s), want %s/%s", kind, c.Status, c.Reason, c.Message, status, reason)
	}
}

// expectMessage checks that a condition's message holds a word.
func (s *fixture) expectMessage(kind, word string) {
	s.t.Helper()
	if c := meta.FindStatusCondition(s.mesosNode().Status.Conditions, kind); c == nil || !strings.Contains(c.Message, word) {
		s.t.Errorf("%s is %+v, want a message with %q", kind, c, word)
	}
}

// expectEvent checks that there was an event of the reason, and drops all there were.
func (s *fixture) expectEvent(reason string) {
	s.t.Helper()
	var heard []string
	for len(s.recorder.Events) > 0 {
		heard = append(heard, <-s.recorder.Events)
	}
	for _, e := range heard {
		if strings.Contains(e, " "+reason+" ") {
			return
		}
	}
	s.t.Errorf("no event %s among %q", reason, heard)
}

// expectReleased checks that the MesosNode is gone.
func (s *fixture) expectReleased() {
	s.t.Helper()
	if s.mesosNode() != nil {
		s.t.Errorf("the MesosNode is still there: %+v", s.mesosNode().Status)
	}
}

// expectDemands checks that exactly these tasks are wanted.
func (s *fixture) expectDemands(ids ...string) {
	s.t.Helper()
	if len(s.session.demands) != len(ids) {
		s.t.Errorf("wanted are %v, want %v", s.session.demands, ids)
	}
	for _, id := range ids {
		if _, ok := s.session.demands[id]; !ok {
			s.t.Errorf("%s is not wanted, but %v", id, s.session.demands)
		}
	}
}

var errBroken = errors.New("broken")

func clientKey(namespace, name string) client.ObjectKey {
	return client.ObjectKey{Namespace: namespace, Name: name}
}
