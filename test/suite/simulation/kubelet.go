package simulation

import (
	"context"
	"crypto/ed25519"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	mesos "github.com/mesos/mesos-go/api/v1/lib"
	"github.com/mesos/mesos-go/api/v1/lib/executor"
	certificatesv1 "k8s.io/api/certificates/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/mesos/mesostest"
	"github.com/k8sm/k8sm/mesos/nodeapi"
)

// machineKey signs all certificate requests. Only their contents matter here.
var machineKey = ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))

var errTokenRefused = errors.New("the API server does not take the bootstrap token")

// fakeExecutor is an executor with its fake kubelet.
type fakeExecutor struct {
	world  *world
	conn   *mesostest.Conn
	taskID mesos.TaskID
	launch *nodeapi.LaunchSpec
	cancel context.CancelFunc

	mu sync.Mutex
	// kubelet is the digest of the running kubelet, once the node runs. Upgrading is set during
	// an upgrade.
	kubelet   string
	upgrading bool
}

// executor runs in every container: it starts a node, and ends at KILL or SHUTDOWN.
func (w *world) executor(ctx context.Context, x *mesostest.Conn) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var n *fakeExecutor
	for {
		event, err := x.Next(ctx)
		if err != nil {
			w.taskEnded(n, "its container was destroyed")
			return err
		}
		for _, task := range mesostest.LaunchedTasks(event) {
			launch, err := nodeapi.DecodeLaunchSpec(task.Data)
			if err != nil {
				w.fail("decoding the launch message of %s: %v", task.TaskID.Value, err)
				return err
			}
			if err := sleep(ctx, w.rng.of("fetch "+task.TaskID.Value).between(10*time.Millisecond, time.Second)); err != nil {
				return err
			}
			n = &fakeExecutor{world: w, conn: x, taskID: task.TaskID, launch: launch, cancel: cancel}
			if !w.taskStarted(n) {
				return errors.New("the machine is dead")
			}
			go n.startNode(ctx)
		}
		switch event.Type {
		case executor.Event_SHUTDOWN:
			if n != nil {
				_ = sleep(ctx, w.rng.of("end "+n.taskID.Value).between(50*time.Millisecond, 5*time.Second)) // or its container is destroyed
			}
			w.taskEnded(n, "SHUTDOWN")
			return nil
		case executor.Event_MESSAGE:
			n.handleMessage(ctx, event.Message.Data)
		case executor.Event_KILL:
			cancel()
			return n.end()
		}
	}
}

// end handles KILL: it waits for the end of pods, and ends the task.
func (n *fakeExecutor) end() error {
	w := n.world
	time.Sleep(w.rng.of("end "+n.taskID.Value).between(50*time.Millisecond, 3*time.Second))
	w.taskEnded(n, "KILL")
	return n.sendStatus(mesos.TASK_KILLED)
}

func (n *fakeExecutor) sendStatus(state mesos.TaskState) error {
	n.world.trace.add(n.taskID.Value, "%s", state)
	return n.conn.Update(mesos.TaskStatus{TaskID: n.taskID, State: &state})
}

// sendRunning sends TASK_RUNNING with the node's status: its kubelet, and the result of an upgrade.
func (n *fakeExecutor) sendRunning(upgrade nodeapi.Upgrade) error {
	n.mu.Lock()
	status := nodeapi.NodeStatus{Kubelet: n.kubelet, Upgrade: upgrade}
	n.mu.Unlock()
	n.world.trace.add(n.taskID.Value, "TASK_RUNNING: %+v", status)
	running := mesos.TASK_RUNNING
	return n.conn.Update(mesos.TaskStatus{TaskID: n.taskID, State: &running, Data: status.Encode()})
}

// startNode starts the node, or sends TASK_FAILED.
func (n *fakeExecutor) startNode(ctx context.Context) {
	err := n.join(ctx)
	if err == nil || ctx.Err() != nil {
		return
	}
	n.world.taskEnded(n, err.Error())
	failed := mesos.TASK_FAILED
	text := err.Error()
	n.world.trace.add(n.taskID.Value, "TASK_FAILED: %v", err)
	_ = n.conn.Update(mesos.TaskStatus{TaskID: n.taskID, State: &failed, Message: &text}) // it ends anyway
	time.Sleep(10 * time.Millisecond)
	n.cancel()
}

func (n *fakeExecutor) join(ctx context.Context) error {
	w := n.world
	r := w.rng.of("node " + n.taskID.Value)
	if err := n.sendStatus(mesos.TASK_STARTING); err != nil {
		return err
	}
	if err := sleep(ctx, r.between(200*time.Millisecond, 3*time.Second)); err != nil {
		return err
	}
	if r = r.then(); r.happens(w.plan.badStarts) {
		return errors.New("the kubelet does not start")
	}
	if err := n.requestCertificate(ctx); err != nil {
		return err
	}
	if err := n.register(ctx); err != nil {
		return err
	}
	if err := sleep(ctx, r.then().between(100*time.Millisecond, 2*time.Second)); err != nil {
		return err
	}
	if err := n.reportReadiness(ctx, corev1.ConditionTrue); err != nil {
		return err
	}
	n.mu.Lock()
	n.kubelet = n.launchedKubelet()
	n.mu.Unlock()
	if err := n.sendRunning(nodeapi.Upgrade{}); err != nil {
		return err
	}
	if r = r.then().then(); !r.happens(w.plan.badNodes) {
		return nil
	}
	if err := sleep(ctx, r.then().between(10*time.Second, 5*time.Minute)); err != nil {
		return err
	}
	if w.isHealed() {
		return nil
	}
	return errors.New("the kubelet crashed")
}

// retryWhileDown calls the API server as soon as it is up.
func (n *fakeExecutor) retryWhileDown(ctx context.Context, do func() error) error {
	for {
		r := n.world.rng.of("call " + n.taskID.Value)
		if err := sleep(ctx, r.delay(apiTypical, 0)); err != nil {
			return err
		}
		if !n.world.conditions.apiDown() {
			return do()
		}
		if err := sleep(ctx, time.Second); err != nil {
			return err
		}
	}
}

// requestCertificate requests a client certificate with the bootstrap token.
func (n *fakeExecutor) requestCertificate(ctx context.Context) error {
	id, secret, _ := strings.Cut(n.launch.BootstrapToken, ".")
	request, err := n.certificateRequest()
	if err != nil {
		return err
	}
	csr := &certificatesv1.CertificateSigningRequest{
		ObjectMeta: metav1.ObjectMeta{Name: "csr-" + n.taskID.Value},
		Spec: certificatesv1.CertificateSigningRequestSpec{
			Request: request, SignerName: certificatesv1.KubeAPIServerClientKubeletSignerName,
			Username: "system:bootstrap:" + id, Groups: []string{v1alpha1.BootstrapGroup},
			Usages: []certificatesv1.KeyUsage{certificatesv1.UsageDigitalSignature, certificatesv1.UsageClientAuth},
		},
	}
	err = n.retryWhileDown(ctx, func() error {
		token, err := n.world.server.get(kindSecret, client.ObjectKey{Namespace: metav1.NamespaceSystem, Name: "bootstrap-token-" + id})
		if err != nil || string(token.(*corev1.Secret).Data["token-secret"])+token.(*corev1.Secret).StringData["token-secret"] != secret {
			return errTokenRefused
		}
		_, err = n.world.server.create("kubelet", csr)
		return err
	})
	if err != nil {
		return err
	}
	return n.awaitCertificate(ctx, csr.Name)
}

func (n *fakeExecutor) certificateRequest() ([]byte, error) {
	der, err := x509.CreateCertificateRequest(nil, &x509.CertificateRequest{
		Subject: pkix.Name{CommonName: "system:node:" + n.launch.NodeName, Organization: []string{"system:nodes"}},
	}, machineKey)
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der}), err
}

// awaitCertificate waits for the approval; the signer signs at once.
func (n *fakeExecutor) awaitCertificate(ctx context.Context, name string) error {
	key := client.ObjectKey{Name: name}
	for wait := 100 * time.Millisecond; ; wait = min(2*wait, 5*time.Second) {
		if err := sleep(ctx, wait); err != nil {
			return err
		}
		o, err := n.world.server.get(kindCSR, key)
		if err != nil {
			return err
		}
		for _, c := range o.(*certificatesv1.CertificateSigningRequest).Status.Conditions {
			switch c.Type {
			case certificatesv1.CertificateDenied:
				return fmt.Errorf("the certificate request is denied: %s: %s", c.Reason, c.Message)
			case certificatesv1.CertificateApproved:
				_, err := n.world.server.update("signer", write{kind: kindCSR, key: key, status: true, change: func(o client.Object) (client.Object, error) {
					o.(*certificatesv1.CertificateSigningRequest).Status.Certificate = []byte("certificate")
					return o, nil
				}})
				return err
			}
		}
	}
}

// register creates the Node. A kubelet uses an existing Node of its name.
func (n *fakeExecutor) register(ctx context.Context) error {
	object := &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: n.launch.NodeName, Labels: n.launch.Labels},
		Spec:       corev1.NodeSpec{ProviderID: n.launch.ProviderID},
		Status:     corev1.NodeStatus{Conditions: []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionFalse, Reason: "KubeletNotReady"}}},
	}
	for _, t := range n.launch.Taints {
		object.Spec.Taints = append(object.Spec.Taints, corev1.Taint{Key: t.Key, Value: t.Value, Effect: corev1.TaintEffect(t.Effect)})
	}
	return n.retryWhileDown(ctx, func() error {
		_, err := n.world.server.create("kubelet", object)
		if apierrors.IsAlreadyExists(err) {
			return nil
		}
		return err
	})
}

// reportReadiness writes the Node's Ready condition. A deleted Node is not created again.
func (n *fakeExecutor) reportReadiness(ctx context.Context, ready corev1.ConditionStatus) error {
	return n.retryWhileDown(ctx, func() error {
		_, err := n.world.server.update("kubelet", write{kind: kindNode, key: client.ObjectKey{Name: n.launch.NodeName}, status: true,
			change: func(o client.Object) (client.Object, error) {
				setReady(o.(*corev1.Node), ready)
				return o, nil
			}})
		return client.IgnoreNotFound(err)
	})
}

func setReady(o *corev1.Node, ready corev1.ConditionStatus) {
	o.Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeReady, Status: ready, Reason: "Kubelet", LastTransitionTime: now()}}
}

// launchedKubelet returns the digest of the kubelet in the launch message.
func (n *fakeExecutor) launchedKubelet() string {
	for _, a := range n.launch.Artifacts {
		if a.Name == nodeapi.ArtifactKubelet {
			return a.SHA256
		}
	}
	return ""
}

// agent returns the ID of the agent on which the node runs.
func (n *fakeExecutor) agent() string {
	rest, _ := strings.CutPrefix(n.launch.ProviderID, v1alpha1.ProviderIDPrefix)
	agent, _, _ := strings.Cut(rest, "/")
	return agent
}
