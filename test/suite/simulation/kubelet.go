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

// machineKey signs all certificate requests: what they say matters here, not whose
// they are.
var machineKey = ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))

var errTokenRefused = errors.New("the API server does not take the bootstrap token")

// member is an executor with the kubelet that it brings up.
type member struct {
	world  *world
	conn   *mesostest.Conn
	taskID mesos.TaskID
	launch *nodeapi.LaunchSpec
	cancel context.CancelFunc

	mu sync.Mutex
	// kubelet is the digest of the one that runs, once the node does; upgrading: it is
	// being exchanged.
	kubelet   string
	upgrading bool
}

// executor is what runs in every container: it brings a node up, and ends at KILL.
func (w *world) executor(ctx context.Context, x *mesostest.Conn) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var n *member
	for {
		event, err := x.Next(ctx)
		if err != nil {
			w.dead(n, "its container was destroyed")
			return err
		}
		for _, task := range mesostest.Launched(event) {
			launch, err := nodeapi.DecodeLaunchSpec(task.Data)
			if err != nil {
				w.fail("decoding the launch message of %s: %v", task.TaskID.Value, err)
				return err
			}
			if err := sleep(ctx, w.chance.of("fetch "+task.TaskID.Value).between(10*time.Millisecond, time.Second)); err != nil {
				return err
			}
			n = &member{world: w, conn: x, taskID: task.TaskID, launch: launch, cancel: cancel}
			if !w.alive(n) {
				return errors.New("the machine is dead")
			}
			go n.bringUp(ctx)
		}
		switch event.Type {
		case executor.Event_SHUTDOWN:
			if n != nil {
				_ = sleep(ctx, w.chance.of("end "+n.taskID.Value).between(50*time.Millisecond, 5*time.Second)) // or its container is destroyed
			}
			w.dead(n, "SHUTDOWN")
			return nil
		case executor.Event_MESSAGE:
			n.obey(ctx, event.Message.Data)
		case executor.Event_KILL:
			cancel()
			return n.end()
		}
	}
}

// end is a KILL: pods end, then the task.
func (n *member) end() error {
	w := n.world
	time.Sleep(w.chance.of("end "+n.taskID.Value).between(50*time.Millisecond, 3*time.Second))
	w.dead(n, "KILL")
	return n.say(mesos.TASK_KILLED)
}

func (n *member) say(state mesos.TaskState) error {
	n.world.trace.add(n.taskID.Value, "%s", state)
	return n.conn.Update(mesos.TaskStatus{TaskID: n.taskID, State: &state})
}

// runs says that the node does, with which kubelet, and how an upgrade fared.
func (n *member) runs(upgrade nodeapi.Upgrade) error {
	n.mu.Lock()
	account := nodeapi.NodeStatus{Kubelet: n.kubelet, Upgrade: upgrade}
	n.mu.Unlock()
	n.world.trace.add(n.taskID.Value, "TASK_RUNNING: %+v", account)
	running := mesos.TASK_RUNNING
	return n.conn.Update(mesos.TaskStatus{TaskID: n.taskID, State: &running, Data: account.Encode()})
}

// bringUp makes a Node of the task, or has it fail.
func (n *member) bringUp(ctx context.Context) {
	err := n.join(ctx)
	if err == nil || ctx.Err() != nil {
		return
	}
	n.world.dead(n, err.Error())
	failed := mesos.TASK_FAILED
	text := err.Error()
	n.world.trace.add(n.taskID.Value, "TASK_FAILED: %v", err)
	_ = n.conn.Update(mesos.TaskStatus{TaskID: n.taskID, State: &failed, Message: &text}) // it ends anyway
	time.Sleep(10 * time.Millisecond)
	n.cancel()
}

func (n *member) join(ctx context.Context) error {
	w := n.world
	r := w.chance.of("node " + n.taskID.Value)
	if err := n.say(mesos.TASK_STARTING); err != nil {
		return err
	}
	if err := sleep(ctx, r.between(200*time.Millisecond, 3*time.Second)); err != nil {
		return err
	}
	if r = r.then(); r.under(w.plan.badStarts) {
		return errors.New("the kubelet does not start")
	}
	if err := n.certify(ctx); err != nil {
		return err
	}
	if err := n.register(ctx); err != nil {
		return err
	}
	if err := sleep(ctx, r.then().between(100*time.Millisecond, 2*time.Second)); err != nil {
		return err
	}
	if err := n.report(ctx, corev1.ConditionTrue); err != nil {
		return err
	}
	n.mu.Lock()
	n.kubelet = n.launched()
	n.mu.Unlock()
	if err := n.runs(nodeapi.Upgrade{}); err != nil {
		return err
	}
	if r = r.then().then(); !r.under(w.plan.badNodes) {
		return nil
	}
	if err := sleep(ctx, r.then().between(10*time.Second, 5*time.Minute)); err != nil {
		return err
	}
	if w.isCalm() {
		return nil
	}
	return errors.New("the kubelet crashed")
}

// persist calls the API server until it answers.
func (n *member) persist(ctx context.Context, do func() error) error {
	for {
		r := n.world.chance.of("call " + n.taskID.Value)
		if err := sleep(ctx, r.delay(apiTypical, 0)); err != nil {
			return err
		}
		if !n.world.weather.apiDown() {
			return do()
		}
		if err := sleep(ctx, time.Second); err != nil {
			return err
		}
	}
}

// certify asks for a client certificate with the bootstrap token.
func (n *member) certify(ctx context.Context) error {
	id, secret, _ := strings.Cut(n.launch.BootstrapToken, ".")
	request, err := n.request()
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
	err = n.persist(ctx, func() error {
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

func (n *member) request() ([]byte, error) {
	der, err := x509.CreateCertificateRequest(nil, &x509.CertificateRequest{
		Subject: pkix.Name{CommonName: "system:node:" + n.launch.NodeName, Organization: []string{"system:nodes"}},
	}, machineKey)
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der}), err
}

// awaitCertificate waits for approval; the signer signs at once.
func (n *member) awaitCertificate(ctx context.Context, name string) error {
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

// register makes the Node. If there is one of its name already, a kubelet takes that for
// its own.
func (n *member) register(ctx context.Context) error {
	object := &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: n.launch.NodeName, Labels: n.launch.Labels},
		Spec:       corev1.NodeSpec{ProviderID: n.launch.ProviderID},
		Status:     corev1.NodeStatus{Conditions: []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionFalse, Reason: "KubeletNotReady"}}},
	}
	for _, t := range n.launch.Taints {
		object.Spec.Taints = append(object.Spec.Taints, corev1.Taint{Key: t.Key, Value: t.Value, Effect: corev1.TaintEffect(t.Effect)})
	}
	return n.persist(ctx, func() error {
		_, err := n.world.server.create("kubelet", object)
		if apierrors.IsAlreadyExists(err) {
			return nil
		}
		return err
	})
}

// report writes the Node's readiness. A Node that is gone is not made again.
func (n *member) report(ctx context.Context, ready corev1.ConditionStatus) error {
	return n.persist(ctx, func() error {
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

// launched is the digest of the kubelet that the node begins with.
func (n *member) launched() string {
	for _, a := range n.launch.Artifacts {
		if a.Name == nodeapi.ArtifactKubelet {
			return a.SHA256
		}
	}
	return ""
}

// agent that the node runs on.
func (n *member) agent() string {
	rest, _ := strings.CutPrefix(n.launch.ProviderID, v1alpha1.ProviderIDPrefix)
	agent, _, _ := strings.Cut(rest, "/")
	return agent
}
