package simulation

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/config"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"
	"sigs.k8s.io/controller-runtime/pkg/recorder"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/controllers"
	"github.com/k8sm/k8sm/controllers/nodetemplate"
	"github.com/k8sm/k8sm/controllers/sessions"
	"github.com/k8sm/k8sm/mesos/session"
)

// operatorNamespace is where the operator's lease is.
const operatorNamespace = "k8sm-system"

var (
	scheme = controllers.Scheme()
	mapper = newMapper()
)

// newMapper returns a mapper for all kinds that the operator uses.
func newMapper() meta.RESTMapper {
	m := meta.NewDefaultRESTMapper(nil)
	for _, k := range []string{"MesosFramework", "MesosNodePool", "MesosNode"} {
		m.Add(v1alpha1.GroupVersion.WithKind(k), meta.RESTScopeRoot)
	}
	m.Add(corev1.SchemeGroupVersion.WithKind("Node"), meta.RESTScopeRoot)
	m.Add(corev1.SchemeGroupVersion.WithKind("Pod"), meta.RESTScopeNamespace)
	m.Add(corev1.SchemeGroupVersion.WithKind("Secret"), meta.RESTScopeNamespace)
	m.Add(corev1.SchemeGroupVersion.WithKind("ConfigMap"), meta.RESTScopeNamespace)
	m.Add(schema.GroupVersionKind{Group: "certificates.k8s.io", Version: "v1", Kind: "CertificateSigningRequest"}, meta.RESTScopeRoot)
	return m
}

// nodeDefaults are the defaults of nodes. Their artifacts are names that are never fetched.
var nodeDefaults = nodetemplate.NodeDefaults{
	Runtime: nodetemplate.Runtime{ContainerRuntime: "none", Artifacts: []v1alpha1.Artifact{
		{Name: "executor", Type: v1alpha1.ArtifactBinary, URI: "file:///opt/executor", SHA256: digest},
		{Name: "kubelet", Type: v1alpha1.ArtifactBinary, URI: "file:///opt/kubelet", SHA256: digest},
	}},
	APIServer: "https://kubernetes:6443", StateDir: "/var/lib/k8sm", ClusterDomain: "cluster.local",
	CAData: []byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
}

const digest = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"

// runOperators restarts the operator of that name whenever it ends, as a Deployment does.
func (w *world) runOperators(name string) {
	for n := 1; !w.isClosing(); n++ {
		w.runOperator(name)
		if sleep(w.context, w.rng.of("restart "+name).between(time.Second, 20*time.Second)) != nil {
			return
		}
	}
}

// runOperator runs one operator until it ends.
func (w *world) runOperator(name string) {
	ctx, cancel := context.WithCancel(w.context)
	defer cancel()
	p := &process{name: name, world: w, cancel: cancel}
	w.addProcess(p)
	defer w.removeProcess(p)
	w.trace.add(name, "starts")
	if r := w.rng.of("fuse " + name); r.happens(w.plan.crashes) {
		p.crashAt, p.crashAfter = 1+r.then().below(r.then().then().below(400)+20), r.then().happens(0.5)
	}
	mgr, err := w.newManager(p)
	if err != nil {
		w.fail("making the manager: %v", err)
		return
	}
	err = mgr.Start(ctx)
	if err != nil && !p.isOff() {
		w.trace.add(name, "ends: %v", err)
	}
	p.powerOff("at its end")
}

// newManager builds the manager as cmd/operator does, with simulated connections.
func (w *world) newManager(p *process) (ctrl.Manager, error) {
	reader := &apiClient{apiConnection: apiConnection{process: p, server: w.server}, scheme: scheme, mapper: mapper}
	lease, renew, retry := 15*time.Second, 9900*time.Millisecond, 2*time.Second // no multiples of each other, so that no two timers fire in the same instant
	lock := &leaseLock{client: reader, identity: fmt.Sprintf("%s-%d", p.name, w.rng.of("identity").below(1<<30)), validFor: renew}
	var cached *laggingCache
	mgr, err := ctrl.NewManager(&rest.Config{Host: "http://kubernetes", Transport: unusableTransport{}}, ctrl.Options{
		Scheme:         scheme,
		MapperProvider: func(*rest.Config, *http.Client) (meta.RESTMapper, error) { return mapper, nil },
		NewCache: func(*rest.Config, cache.Options) (cache.Cache, error) {
			cached = newLaggingCache(p, w.server, operatorNamespace)
			return cached, nil
		},
		NewClient: func(*rest.Config, client.Options) (client.Client, error) {
			writer := *reader
			writer.readsFrom, writer.fence = cached, lock.isHeld
			return &writer, nil
		},
		Logger:                              w.trace.logger(p.name),
		Metrics:                             metricsserver.Options{BindAddress: "0"},
		HealthProbeBindAddress:              "0",
		LeaderElection:                      true,
		LeaderElectionResourceLockInterface: lock,
		LeaderElectionReleaseOnCancel:       true,
		LeaseDuration:                       &lease,
		RenewDeadline:                       &renew,
		RetryPeriod:                         &retry,
		Controller:                          config.Controller{SkipNameValidation: new(true)},
	})
	if err != nil {
		return nil, err
	}
	err = controllers.Setup(simulatedManager{mgr, reader, w}, controllers.Options{
		Namespace:    operatorNamespace,
		Hostname:     p.name,
		NodeDefaults: nodeDefaults,
		Now:          time.Now,
		MaySubscribe: lock.maySubscribe,
		Dial: func(c session.Config) (sessions.Session, error) {
			c.Dial = func(ctx context.Context, _, address string) (net.Conn, error) {
				return w.network.dial(ctx, p, address)
			}
			return session.New(c)
		},
	})
	return mgr, err
}

// unusableTransport is the transport of clients that must not be used.
type unusableTransport struct{}

func (unusableTransport) RoundTrip(*http.Request) (*http.Response, error) { return nil, errNotModelled }

// simulatedManager is a manager whose uncached reads and events are simulated.
type simulatedManager struct {
	ctrl.Manager
	reader client.Reader
	world  *world
}

// GetAPIReader reads from the API server.
func (p simulatedManager) GetAPIReader() client.Reader { return p.reader }

// GetEventRecorder returns a recorder that drops events, since nothing depends on them.
func (p simulatedManager) GetEventRecorder(string) recorder.EventRecorder { return noEvents{} }

type noEvents struct{}

func (noEvents) Eventf(runtime.Object, runtime.Object, string, string, string, string, ...any) {}

// leaseLock is a leader election by a Lease, with the fence that cmd/operator has: writes fail
// unless the Lease was renewed lately.
type leaseLock struct {
	client   *apiClient
	identity string
	validFor time.Duration
	held     *coordinationv1.Lease

	mu      sync.Mutex
	renewed time.Time // when the last successful renewal was requested
}

var _ resourcelock.Interface = (*leaseLock)(nil)

var errNotLeading = errors.New("this operator does not lead, or has not renewed its lease in time")

// isHeld returns an error unless writes are allowed.
func (l *leaseLock) isHeld(context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if time.Since(l.renewed) < l.validFor {
		return nil
	}
	return errNotLeading
}

// maySubscribe asks the API server whether this operator still holds the Lease.
func (l *leaseLock) maySubscribe(ctx context.Context) error {
	lease := &coordinationv1.Lease{}
	if err := l.client.Get(ctx, client.ObjectKey{Namespace: operatorNamespace, Name: "k8sm-operator"}, lease); err != nil {
		return err
	}
	if lease.Spec.HolderIdentity == nil || *lease.Spec.HolderIdentity != l.identity {
		return errNotLeading
	}
	return l.isHeld(ctx)
}

// observe records when a successful renewal was requested.
func (l *leaseLock) observe(record resourcelock.LeaderElectionRecord, write func() error) error {
	requested := time.Now()
	if record.HolderIdentity != l.identity {
		l.renew(time.Time{})
		return write()
	}
	err := write()
	if err == nil {
		l.renew(requested)
	}
	return err
}

func (l *leaseLock) renew(at time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.renewed = at
}

// Get reads the lease.
func (l *leaseLock) Get(ctx context.Context) (*resourcelock.LeaderElectionRecord, []byte, error) {
	lease := &coordinationv1.Lease{}
	if err := l.client.Get(ctx, client.ObjectKey{Namespace: operatorNamespace, Name: "k8sm-operator"}, lease); err != nil {
		return nil, nil, err
	}
	l.held = lease
	record := resourcelock.LeaseSpecToLeaderElectionRecord(&lease.Spec)
	raw, err := json.Marshal(record)
	return record, raw, err
}

// Create makes the lease.
func (l *leaseLock) Create(ctx context.Context, record resourcelock.LeaderElectionRecord) error {
	l.held = &coordinationv1.Lease{
		ObjectMeta: metav1.ObjectMeta{Namespace: operatorNamespace, Name: "k8sm-operator"},
		Spec:       resourcelock.LeaderElectionRecordToLeaseSpec(&record),
	}
	return l.observe(record, func() error { return l.client.Create(ctx, l.held) })
}

// Update renews, takes or releases the lease.
func (l *leaseLock) Update(ctx context.Context, record resourcelock.LeaderElectionRecord) error {
	if l.held == nil {
		return errors.New("the lease was not read")
	}
	l.held.Spec = resourcelock.LeaderElectionRecordToLeaseSpec(&record)
	return l.observe(record, func() error { return l.client.Update(ctx, l.held) })
}

// RecordEvent does nothing.
func (l *leaseLock) RecordEvent(string) {}

// Identity returns the identity of this candidate.
func (l *leaseLock) Identity() string { return l.identity }

// Describe returns the name of the lease.
func (l *leaseLock) Describe() string { return operatorNamespace + "/k8sm-operator" }

func (noEvents) AnnotatedEventf(runtime.Object, runtime.Object, map[string]string, string, string, string, string, ...any) {
}
