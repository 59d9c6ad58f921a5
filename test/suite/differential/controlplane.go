package differential

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	corev1 "k8s.io/api/core/v1"
	nodev1 "k8s.io/api/node/v1"
	schedulingv1 "k8s.io/api/scheduling/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
)

const (
	// priorityClass never preempts.
	priorityClass = "polite"
	// runtimeClass has an overhead.
	runtimeClass = "heavy"
)

// schedulerConfiguration has the default profile's filters, and the pod's own node preference as the
// only score. So the node that is chosen also shows that the scheduler refused all nodes that the pod
// prefers more.
const schedulerConfiguration = `
apiVersion: kubescheduler.config.k8s.io/v1
kind: KubeSchedulerConfiguration
clientConnection: {kubeconfig: %q, qps: 2000, burst: 2000}
leaderElection: {leaderElect: false}
percentageOfNodesToScore: 100
podInitialBackoffSeconds: 1
podMaxBackoffSeconds: 1
profiles:
- schedulerName: default-scheduler
  plugins:
    score: {disabled: [{name: "*"}], enabled: [{name: NodeAffinity, weight: 1}]}
`

// ControlPlane is etcd, kube-apiserver and kube-scheduler. This package does what controllers would
// do.
type ControlPlane struct {
	client    kubernetes.Interface
	informers informers.SharedInformerFactory
	verdicts  *podWatch
}

// StartControlPlane starts a control plane in dir from the programs in bin. Call stop also after an
// error.
func StartControlPlane(ctx context.Context, bin, dir string) (c *ControlPlane, stop func(), err error) {
	environment := &envtest.Environment{BinaryAssetsDirectory: bin}
	// New nodes would be tainted until a kubelet reports them as ready, and volumes would be
	// protected until a controller releases them.
	environment.ControlPlane.GetAPIServer().Configure().
		Append("disable-admission-plugins", "TaintNodesByCondition,StorageObjectInUseProtection")
	stop = func() { _ = environment.Stop() }
	config, err := environment.Start()
	if err != nil {
		return nil, stop, fmt.Errorf("starting the control plane (`make kube` builds it): %w", err)
	}
	config.QPS = -1
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, stop, fmt.Errorf("making a client: %w", err)
	}
	stopScheduler, err := startScheduler(environment, bin, dir)
	if err != nil {
		return nil, stop, err
	}
	ctx, cancel := context.WithCancel(ctx)
	stop = func() { cancel(); stopScheduler(); _ = environment.Stop() }
	c = &ControlPlane{client: client, informers: informers.NewSharedInformerFactory(client, 0), verdicts: newPodWatch()}
	if err := c.createClasses(ctx); err != nil {
		return nil, stop, err
	}
	return c, stop, c.watch(ctx)
}

func startScheduler(environment *envtest.Environment, bin, dir string) (stop func(), err error) {
	user, err := environment.AddUser(envtest.User{Name: "system:kube-scheduler"}, nil)
	if err != nil {
		return nil, fmt.Errorf("adding the scheduler's user: %w", err)
	}
	kubeconfig, err := user.KubeConfig()
	if err != nil {
		return nil, fmt.Errorf("writing the scheduler's kubeconfig: %w", err)
	}
	access, configuration := filepath.Join(dir, "scheduler.kubeconfig"), filepath.Join(dir, "scheduler.yaml")
	log, err := os.Create(filepath.Join(dir, "scheduler.log"))
	err = errors.Join(err, os.WriteFile(access, kubeconfig, 0o600),
		os.WriteFile(configuration, fmt.Appendf(nil, schedulerConfiguration, access), 0o600))
	if err != nil {
		return nil, fmt.Errorf("writing the scheduler's files: %w", err)
	}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	scheduler := exec.Command(filepath.Join(bin, "kube-scheduler"), "--config="+configuration,
		"--bind-address=127.0.0.1", fmt.Sprint("--secure-port=", port),
		"--authentication-kubeconfig="+access, "--authorization-kubeconfig="+access)
	scheduler.Stdout, scheduler.Stderr = log, log
	if err := scheduler.Start(); err != nil {
		return nil, fmt.Errorf("starting the scheduler: %w", err)
	}
	return func() {
		_ = scheduler.Process.Kill()
		_ = scheduler.Wait()
	}, nil
}

func freePort() (int, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("looking for a free port: %w", err)
	}
	defer func() { _ = listener.Close() }()
	return listener.Addr().(*net.TCPAddr).Port, nil
}

func (c *ControlPlane) createClasses(ctx context.Context) error {
	never := corev1.PreemptNever
	_, err := c.client.SchedulingV1().PriorityClasses().Create(ctx, &schedulingv1.PriorityClass{
		ObjectMeta: metav1.ObjectMeta{Name: priorityClass}, Value: 1000, PreemptionPolicy: &never,
	}, metav1.CreateOptions{})
	if err != nil {
		return fmt.Errorf("creating priority class: %w", err)
	}
	_, err = c.client.NodeV1().RuntimeClasses().Create(ctx, &nodev1.RuntimeClass{
		ObjectMeta: metav1.ObjectMeta{Name: runtimeClass}, Handler: runtimeClass,
		Overhead: &nodev1.Overhead{PodFixed: requests("cpu", "250m", "memory", "256Mi")},
	}, metav1.CreateOptions{})
	if err != nil {
		return fmt.Errorf("creating runtime class: %w", err)
	}
	return nil
}

// watch starts to follow the pods, and to bind volumes.
func (c *ControlPlane) watch(ctx context.Context) error {
	core := c.informers.Core().V1()
	if _, err := core.Pods().Informer().AddEventHandler(c.verdicts.handler()); err != nil {
		return fmt.Errorf("watching pods: %w", err)
	}
	if err := c.bindVolumes(ctx); err != nil {
		return err
	}
	c.informers.Start(ctx.Done())
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for kind, synced := range c.informers.WaitForCacheSync(ctx.Done()) {
		if !synced {
			return fmt.Errorf("watching %v: not in time", kind)
		}
	}
	return nil
}
