package mesosframework

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/controllers/bootstraptoken"
	"github.com/k8sm/k8sm/controllers/catalogue"
	"github.com/k8sm/k8sm/controllers/nodetemplate"
	"github.com/k8sm/k8sm/controllers/sessions"
	mesosaccess "github.com/k8sm/k8sm/mesos/access"
	"github.com/k8sm/k8sm/mesos/placement"
	"github.com/k8sm/k8sm/mesos/scheduler"
	"github.com/k8sm/k8sm/mesos/session"
)

// noon is the time at which every test begins.
var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

const (
	nodeName = "general-x7k2p"
	taskID   = "general-x7k2p.0f1e2d3c.1"
	digest   = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
)

// fakeSession is a session whose state a test sets.
type fakeSession struct {
	forgotten      int      // how often failures of agents were forgotten
	masters        []string // that ZooKeeper knows
	mu             sync.Mutex
	config         session.Config
	state          session.State
	tornDown       bool
	open           mesosaccess.Open // which calls its master serves without credentials
	openErr        error
	askedAccess    int
	access         []session.Credentials // with which it was updated
	updates        []scheduler.Info
	windows        map[string]scheduler.Window
	failures       []scheduler.AgentFailure
	teardownErr    error // what Teardown answers
	ignoresContext bool  // Run does not end with its context
	release        chan struct{}
	final          chan struct{} // closed when the state is final
}

func (f *fakeSession) Run(ctx context.Context) error {
	if f.ignoresContext {
		<-f.release
		return nil
	}
	select {
	case <-ctx.Done():
	case <-f.final:
	}
	return nil
}

func (f *fakeSession) State() session.State {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.state
}

func (f *fakeSession) AddDemand(placement.Demand)    {}
func (f *fakeSession) WithdrawDemand(string)         {}
func (f *fakeSession) Kill(string, string)           {}
func (f *fakeSession) SendMessage(string, []byte)    {}
func (f *fakeSession) Explain(string) (string, bool) { return "", false }
func (f *fakeSession) ForgetAgentFailures() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.failures, f.forgotten = nil, f.forgotten+1
}

func (f *fakeSession) Masters() []string { return f.masters }

func (f *fakeSession) OpenAccess(context.Context) (mesosaccess.Open, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.askedAccess++
	return f.open, f.openErr
}

func (f *fakeSession) Capacity(context.Context) placement.Capacity {
	return placement.Capacity{UnknownReason: "a fake knows no capacity"}
}

func (f *fakeSession) AgentFailures() []scheduler.AgentFailure {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.failures
}

func (f *fakeSession) MaintenanceWindow(agentID string) (scheduler.Window, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	w, planned := f.windows[agentID]
	return w, planned
}

func (f *fakeSession) SetCredentials(a session.Credentials) { f.access = append(f.access, a) }

func (f *fakeSession) UpdateFramework(info scheduler.Info) error {
	f.updates = append(f.updates, info)
	return nil
}

func (f *fakeSession) Teardown(context.Context) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.tornDown = f.teardownErr == nil
	return f.teardownErr
}

// setState sets the state of the session.
func (f *fakeSession) setState(s session.State) {
	f.mu.Lock()
	if s.Final && !f.state.Final {
		close(f.final)
	}
	f.state = s
	f.mu.Unlock()
	f.config.OnChange()
}

var subscribedState = session.State{
	Subscribed: true, Reconciled: true, FrameworkID: "f-1", Master: "10.0.0.1:5050", MasterVersion: "1.11.1",
	Reason: scheduler.Subscribed,
}

// fixture is a Reconciler over an API server in memory, with sessions that tests control.
type fixture struct {
	t          *testing.T
	client     client.WithWatch
	reconciler *Reconciler
	recorder   *events.FakeRecorder
	now        time.Time
	sessions   []*fakeSession // in the order in which they were made
	next       *fakeSession   // to be made next, if a test has something in mind
	conflicts  int            // how many writes of status meet a conflict
	writes     int            // of status
	crash      *crash         // of the operator at one of its writes
}

func newFixture(t *testing.T, objects ...client.Object) *fixture {
	t.Helper()
	s := &fixture{t: t, now: noon, recorder: events.NewFakeRecorder(100)}
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	s.client = fake.NewClientBuilder().WithScheme(scheme).WithObjects(objects...).
		WithStatusSubresource(&v1alpha1.MesosNode{}, &v1alpha1.MesosFramework{}).
		WithIndex(&v1alpha1.MesosNode{}, fieldFramework, frameworkOf).
		WithInterceptorFuncs(interceptor.Funcs{
			SubResourcePatch: s.patch,
			Patch: func(ctx context.Context, c client.WithWatch, object client.Object, patch client.Patch, opts ...client.PatchOption) error {
				return s.crash.at(func() error { return c.Patch(ctx, object, patch, opts...) })
			},
		}).Build()
	s.startOperator()
	return s
}

// crash ends an operator at its nth write from now, before or after that write. Nothing is
// written from then on.
type crash struct {
	n     int
	after bool
}

var errCrashed = errors.New("the operator has crashed")

func (c *crash) at(write func() error) error {
	if c == nil {
		return write()
	}
	c.n--
	if c.n > 0 || c.n == 0 && c.after {
		if err := write(); err != nil || c.n > 0 {
			return err
		}
	}
	return errCrashed
}

// startOperator replaces the operator by a new one.
func (s *fixture) startOperator() {
	s.t.Helper()
	registry := sessions.NewRegistry()
	s.t.Cleanup(registry.Close)
	s.reconciler = NewReconciler(Options{
		Client: s.client, Live: s.client, Sessions: registry, Tokens: bootstraptoken.Issuer{Writer: s.client},
		NodeDefaults: nodeDefaults(), Runtimes: catalogue.New(nodeDefaults().Runtime), Recorder: s.recorder, Now: func() time.Time { return s.now }, Namespace: "k8sm-system",
		Dial: s.dial,
	})
}

func (s *fixture) dial(config session.Config) (sessions.Session, error) {
	made := s.next
	if made == nil {
		made = &fakeSession{}
	}
	s.next = nil
	made.config, made.final = config, make(chan struct{})
	s.sessions = append(s.sessions, made)
	return made, nil
}

// patch makes writes of a status meet conflicts, by a change of another writer.
func (s *fixture) patch(ctx context.Context, c client.Client, sub string, object client.Object, patch client.Patch, opts ...client.SubResourcePatchOption) error {
	s.writes++
	if s.conflicts > 0 {
		s.conflicts--
		other := object.DeepCopyObject().(client.Object)
		if err := c.Get(ctx, client.ObjectKeyFromObject(object), other); err != nil {
			return err
		}
		other.SetLabels(map[string]string{"touched": time.Duration(s.conflicts).String()})
		if err := c.Update(ctx, other); err != nil {
			return err
		}
	}
	return s.crash.at(func() error { return c.SubResource(sub).Patch(ctx, object, patch, opts...) })
}

// reconcile reconciles a framework, and returns the delay until the next time.
func (s *fixture) reconcile(name string) time.Duration {
	s.t.Helper()
	result, err := s.reconciler.Reconcile(context.Background(), reconcile.Request{NamespacedName: client.ObjectKey{Name: name}})
	if err != nil {
		s.t.Fatal(err)
	}
	return result.RequeueAfter
}

func (s *fixture) framework(name string) *v1alpha1.MesosFramework {
	s.t.Helper()
	out := &v1alpha1.MesosFramework{}
	if err := s.client.Get(context.Background(), client.ObjectKey{Name: name}, out); err != nil {
		s.t.Fatal(err)
	}
	return out
}

func (s *fixture) node() *v1alpha1.MesosNode {
	s.t.Helper()
	out := &v1alpha1.MesosNode{}
	if err := s.client.Get(context.Background(), client.ObjectKey{Name: nodeName}, out); err != nil {
		s.t.Fatal(err)
	}
	return out
}

// condition returns the status, reason and message of a condition.
func (s *fixture) condition(name, kind string) (status metav1.ConditionStatus, reason, message string) {
	s.t.Helper()
	c := meta.FindStatusCondition(s.framework(name).Status.Conditions, kind)
	if c == nil {
		s.t.Fatalf("there is no condition %s", kind)
	}
	return c.Status, c.Reason, c.Message
}

// await waits until the condition holds.
func (s *fixture) await(what string, is func() bool) {
	s.t.Helper()
	for range 200 {
		if is() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	s.t.Fatalf("timed out waiting for %s", what)
}

func newFramework(name string, changes ...func(*v1alpha1.MesosFramework)) *v1alpha1.MesosFramework {
	f := &v1alpha1.MesosFramework{
		ObjectMeta: metav1.ObjectMeta{Name: name, CreationTimestamp: metav1.NewTime(noon), Generation: 1},
		Spec: v1alpha1.MesosFrameworkSpec{
			Masters: []string{"leader.mesos:5050"}, Name: "k8sm", User: "root", Roles: []string{"k8sm"},
			FailoverTimeout: &metav1.Duration{Duration: 168 * time.Hour},
		},
	}
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
		Spec: v1alpha1.MesosNodeSpec{
			FrameworkRef: v1alpha1.FrameworkReference{Name: "default"},
			Template: v1alpha1.NodeTemplate{Spec: v1alpha1.NodeTemplateSpec{
				Resources: v1alpha1.NodeResources{CPU: resource.MustParse("4"), Memory: resource.MustParse("16Gi")},
				Overhead:  v1alpha1.NodeOverhead{CPU: resource.MustParse("100m"), Memory: resource.MustParse("256Mi")},
			}},
		},
		Status: v1alpha1.MesosNodeStatus{Attempt: 1},
	}
	for _, change := range changes {
		change(n)
	}
	return n
}

func nodeDefaults() nodetemplate.NodeDefaults {
	return nodetemplate.NodeDefaults{
		Runtime: nodetemplate.Runtime{ContainerRuntime: "none", Artifacts: []v1alpha1.Artifact{
			{Name: "executor", Type: v1alpha1.ArtifactBinary, URI: "file:///opt/executor", SHA256: digest},
			{Name: "kubelet", Type: v1alpha1.ArtifactBinary, URI: "file:///opt/kubelet", SHA256: digest},
		}},
		APIServer: "https://kubernetes.example:6443", CAData: []byte("a certificate"),
		ClusterDNS: []string{"10.96.0.10"}, ClusterDomain: "cluster.local", StateDir: "/var/lib/k8sm",
	}
}

func newIntent() scheduler.Intent {
	return scheduler.Intent{
		TaskID: taskID, AgentID: "S1", Hostname: "agent-1.example", Address: "10.1.2.3", Region: "eu", Zone: "eu-1",
		Ports: []int{31000, 31001}, Resources: placement.Resources{CPUs: 4, MemMiB: 16384, Ports: 2},
	}
}
