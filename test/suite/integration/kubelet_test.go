package integration

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	mesos "github.com/mesos/mesos-go/api/v1/lib"
	"github.com/mesos/mesos-go/api/v1/lib/executor"
	certificatesv1 "k8s.io/api/certificates/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/k8sm/k8sm/mesos/mesostest"
	"github.com/k8sm/k8sm/mesos/nodeapi"
)

// fakeKubelet is an executor that creates a Node without a machine: it requests its certificate
// with the token from the launch message, registers its Node, sends TASK_RUNNING, and ends when
// it is killed. Nothing signs certificates here, so an administrator creates the Node.
func fakeKubelet(ctx context.Context, x *mesostest.Conn) error {
	for {
		event, err := x.Next(ctx)
		if err != nil {
			return nil // the container was destroyed
		}
		for _, task := range mesostest.LaunchedTasks(event) {
			if err := runTask(ctx, x, task); err != nil {
				failed, message := mesos.TASK_FAILED, err.Error()
				return x.Update(mesos.TaskStatus{TaskID: task.TaskID, State: &failed, Message: &message})
			}
		}
		switch event.Type {
		case executor.Event_KILL:
			killing, killed := mesos.TASK_KILLING, mesos.TASK_KILLED
			if err := x.Update(mesos.TaskStatus{TaskID: event.Kill.TaskID, State: &killing}); err != nil {
				return err
			}
			return x.Update(mesos.TaskStatus{TaskID: event.Kill.TaskID, State: &killed})
		case executor.Event_SHUTDOWN:
			return nil
		}
	}
}

// launchedBefore is the data of tasks whose Node exists already.
const launchedBefore = "launched by an earlier operator"

// launchedKubelets has the digest of the kubelet that each node was launched with. The machines
// of the fake kubelets are of the architecture arm64.
var launchedKubelets sync.Map

func runTask(ctx context.Context, x *mesostest.Conn, task mesos.TaskInfo) error {
	running := mesos.TASK_RUNNING
	if string(task.Data) == launchedBefore {
		return x.Update(mesos.TaskStatus{TaskID: task.TaskID, State: &running})
	}
	launch, err := nodeapi.DecodeLaunchSpec(task.Data)
	if err != nil {
		return err
	}
	if err := launch.SelectArchitecture("arm64"); err != nil {
		return err
	}
	launchedKubelets.Store(launch.NodeName, launch.KubeletDigest())
	starting := mesos.TASK_STARTING
	if err := x.Update(mesos.TaskStatus{TaskID: task.TaskID, State: &starting}); err != nil {
		return err
	}
	if err := bootstrap(ctx, launch, task.TaskID.Value); err != nil {
		return err
	}
	if err := registerNode(ctx, launch); err != nil {
		return err
	}
	return x.Update(mesos.TaskStatus{TaskID: task.TaskID, State: &running})
}

// bootstrap requests a client certificate with the token, and waits for the approval.
func bootstrap(ctx context.Context, launch *nodeapi.LaunchSpec, name string) error {
	c, err := client.New(tokenConfig(launch.BootstrapToken), client.Options{Scheme: scheme})
	if err != nil {
		return err
	}
	csr, err := certificateRequest(name, launch.NodeName)
	if err != nil {
		return err
	}
	if err := c.Create(ctx, csr); err != nil {
		return fmt.Errorf("asking for a certificate: %w", err)
	}
	for range 300 {
		if err := c.Get(ctx, client.ObjectKeyFromObject(csr), csr); err != nil {
			return err
		}
		for _, condition := range csr.Status.Conditions {
			if condition.Type == certificatesv1.CertificateApproved {
				return nil
			}
			return fmt.Errorf("the request was not approved: %s: %s", condition.Reason, condition.Message)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
	return errors.New("the request was not processed")
}

// tokenConfig returns the client configuration for a bootstrap token.
func tokenConfig(token string) *rest.Config {
	out := rest.AnonymousClientConfig(config)
	out.BearerToken = token
	return out
}

func certificateRequest(name, node string) (*certificatesv1.CertificateSigningRequest, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{
		Subject: pkix.Name{CommonName: "system:node:" + node, Organization: []string{"system:nodes"}},
	}, key)
	if err != nil {
		return nil, err
	}
	return &certificatesv1.CertificateSigningRequest{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: certificatesv1.CertificateSigningRequestSpec{
			Request:    pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der}),
			SignerName: certificatesv1.KubeAPIServerClientKubeletSignerName,
			Usages:     []certificatesv1.KeyUsage{certificatesv1.UsageDigitalSignature, certificatesv1.UsageClientAuth},
		},
	}, nil
}

func registerNode(ctx context.Context, launch *nodeapi.LaunchSpec) error {
	node := &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: launch.NodeName, Labels: launch.Labels},
		Spec:       corev1.NodeSpec{ProviderID: launch.ProviderID},
	}
	for _, t := range launch.Taints {
		node.Spec.Taints = append(node.Spec.Taints, corev1.Taint{Key: t.Key, Value: t.Value, Effect: corev1.TaintEffect(t.Effect)})
	}
	if err := strict.Create(ctx, node); err != nil {
		return fmt.Errorf("registering the Node: %w", err)
	}
	// The API server taints new Nodes, and the controller manager, which is not here, would
	// remove the taint from ready ones.
	if err := retry.RetryOnConflict(retry.DefaultRetry, func() error {
		if err := strict.Get(ctx, client.ObjectKeyFromObject(node), node); err != nil {
			return err
		}
		node.Spec.Taints = slices.DeleteFunc(node.Spec.Taints, func(t corev1.Taint) bool { return t.Key == corev1.TaintNodeNotReady })
		return strict.Update(ctx, node)
	}); err != nil {
		return fmt.Errorf("removing the Node's taint: %w", err)
	}
	ready := client.MergeFrom(node.DeepCopy())
	now := metav1.Now()
	node.Status.Allocatable = corev1.ResourceList{
		corev1.ResourceCPU:    *resource.NewMilliQuantity(int64(1000*(launch.CPUs-launch.OverheadCPUs)), resource.DecimalSI),
		corev1.ResourceMemory: *resource.NewQuantity(int64(launch.MemMiB-launch.OverheadMemMiB)<<20, resource.BinarySI),
		corev1.ResourcePods:   resource.MustParse("110"),
	}
	node.Status.Capacity = node.Status.Allocatable
	node.Status.Conditions = []corev1.NodeCondition{{
		Type: corev1.NodeReady, Status: corev1.ConditionTrue, Reason: "KubeletReady",
		LastHeartbeatTime: now, LastTransitionTime: now,
	}}
	if err := strict.Status().Patch(ctx, node, ready); err != nil {
		return fmt.Errorf("posting the Node's status: %w", err)
	}
	return nil
}
