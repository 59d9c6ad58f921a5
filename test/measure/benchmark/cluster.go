package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/mesos/mesostest"
)

// cluster is an API server, a Mesos cluster with fake executors, and the operator's process.
type cluster struct {
	environment *envtest.Environment
	config      *rest.Config
	client      client.Client
	master      *mesostest.Master
	operator    *exec.Cmd
	dir         string
}

func startCluster(ctx context.Context, o options) (*cluster, error) {
	c := &cluster{}
	for _, start := range []func(context.Context, options) error{c.startAPIServer, c.startMesos, c.startOperator} {
		if err := start(ctx, o); err != nil {
			c.stop()
			return nil, err
		}
	}
	if err := c.client.Create(ctx, newFramework(c.master.Addr())); err != nil {
		c.stop()
		return nil, fmt.Errorf("creating the framework: %w", err)
	}
	if err := c.waitReady(ctx); err != nil {
		c.stop()
		return nil, err
	}
	return c, nil
}

// stop ends what was started, in reverse order.
func (c *cluster) stop() {
	c.stopOperator()
	if c.master != nil {
		_ = c.master.Close()
	}
	if c.environment != nil {
		_ = c.environment.Stop()
	}
	if c.dir != "" {
		_ = os.RemoveAll(c.dir)
	}
}

func (c *cluster) stopOperator() {
	if c.operator == nil {
		return
	}
	_ = c.operator.Process.Signal(syscall.SIGTERM)
	_ = c.operator.Wait()
	c.operator = nil
}

func (c *cluster) startAPIServer(_ context.Context, o options) error {
	if o.assets == "" {
		return errors.New("no -assets: the folder of kube-apiserver and etcd (`make bench` gives it)")
	}
	scheme := runtime.NewScheme()
	if err := errors.Join(clientgoscheme.AddToScheme(scheme), v1alpha1.AddToScheme(scheme)); err != nil {
		return err
	}
	environment := &envtest.Environment{
		CRDDirectoryPaths:     []string{filepath.Join("..", "config", "crd", "bases")},
		ErrorIfCRDPathMissing: true,
		BinaryAssetsDirectory: o.assets,
	}
	// All fake kubelets share one client here, with a thousand concurrent requests.
	environment.ControlPlane.GetAPIServer().Configure().
		Set("max-requests-inflight", "2000").Set("max-mutating-requests-inflight", "1000")
	config, err := environment.Start()
	if err != nil {
		return fmt.Errorf("starting the API server: %w", err)
	}
	config.QPS = -1
	c.environment, c.config = environment, config
	c.client, err = client.New(config, client.Options{Scheme: scheme})
	return err
}

func (c *cluster) startMesos(_ context.Context, o options) error {
	master, err := mesostest.NewMaster(mesostest.MasterOptions{})
	if err != nil {
		return fmt.Errorf("starting the Mesos master: %w", err)
	}
	c.master = master
	for range o.nodes {
		if _, err := master.AddAgent(mesostest.AgentOptions{Launcher: mesostest.Func(c.fakeKubelet)}); err != nil {
			return fmt.Errorf("starting an agent: %w", err)
		}
	}
	return nil
}

func (c *cluster) startOperator(context.Context, options) error {
	var err error
	if c.dir, err = os.MkdirTemp("", "k8sm-bench-"); err != nil {
		return err
	}
	user, err := c.environment.AddUser(envtest.User{Name: "bench-operator", Groups: []string{"system:masters"}}, nil)
	if err != nil {
		return fmt.Errorf("making a user for the operator: %w", err)
	}
	kubeconfig, err := user.KubeConfig()
	if err != nil {
		return err
	}
	runtimeFile, err := json.Marshal(map[string]any{"containerRuntime": "none", "artifacts": []map[string]string{
		{"name": "executor", "uri": "file:///none", "sha256": strings.Repeat("0", 64)},
		{"name": "kubelet", "uri": "file:///none", "sha256": strings.Repeat("0", 64)},
	}})
	if err != nil {
		return err
	}
	files := map[string][]byte{"kubeconfig": kubeconfig, "runtime.yaml": runtimeFile}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(c.dir, name), content, 0o600); err != nil {
			return err
		}
	}
	return c.runOperator()
}

func (c *cluster) runOperator() error {
	log, err := os.Create(filepath.Join("..", "bin", "benchmark-operator.log"))
	if err != nil {
		return err
	}
	defer log.Close()
	c.operator = exec.Command(filepath.Join("..", "bin", "operator"),
		"--kubeconfig="+filepath.Join(c.dir, "kubeconfig"),
		"--node-runtime="+filepath.Join(c.dir, "runtime.yaml"),
		"--namespace=default",
		"--leader-elect",
		"--metrics-bind-address=0",
		"--health-probe-bind-address=0",
	)
	c.operator.Stdout, c.operator.Stderr = log, log
	if err := c.operator.Start(); err != nil {
		c.operator = nil
		return fmt.Errorf("starting the operator: %w", err)
	}
	return nil
}

// fakeKubelet is an executor without a machine: it sends STARTING, registers a ready Node, sends
// RUNNING, and ends when it is killed.
func (c *cluster) fakeKubelet(ctx context.Context, x *mesostest.Conn) error {
	return runFakeKubelet(ctx, c.client, x)
}

func newPool(name string, nodes int) *v1alpha1.MesosNodePool {
	replicas := int32(nodes)
	return &v1alpha1.MesosNodePool{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: v1alpha1.MesosNodePoolSpec{
			FrameworkRef: v1alpha1.FrameworkReference{Name: "default"},
			Replicas:     &replicas,
			Template: v1alpha1.NodeTemplate{Spec: v1alpha1.NodeTemplateSpec{
				Resources: v1alpha1.NodeResources{CPU: resource.MustParse("2"), Memory: resource.MustParse("4Gi")},
			}},
		},
	}
}

func readyStatus() corev1.NodeStatus {
	now := metav1.NewTime(time.Now())
	has := corev1.ResourceList{
		corev1.ResourceCPU: resource.MustParse("1900m"), corev1.ResourceMemory: resource.MustParse("3840Mi"), corev1.ResourcePods: resource.MustParse("110"),
	}
	return corev1.NodeStatus{Capacity: has, Allocatable: has, Conditions: []corev1.NodeCondition{{
		Type: corev1.NodeReady, Status: corev1.ConditionTrue, Reason: "KubeletReady",
		LastHeartbeatTime: now, LastTransitionTime: now,
	}}}
}
