package mesosframework

import (
	"context"
	"fmt"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/controllers/identity"
	"github.com/k8sm/k8sm/controllers/mesosnode"
	"github.com/k8sm/k8sm/mesos/nodeapi"
	"github.com/k8sm/k8sm/mesos/scheduler"
	"github.com/k8sm/k8sm/mesos/session"
)

const (
	// maxTries bounds how often a write is tried again that met a conflict: each means
	// that somebody else got on, so they do not go on for ever.
	maxTries = 10
	// maxMessage is how much of a status' message is kept.
	maxMessage = 4096
)

// store keeps a session's durable records: the framework ID in the MesosFramework, the
// tasks in the MesosNodes.
//
// What it reads may come from a cache, because every write bears the resource version
// of what was read: a write that goes by an old record fails and is made again by the
// API server's. What would mean that nothing is written is believed only of the latter.
type store struct {
	framework string
	client    client.Client
	live      client.Reader
	tokens    identity.Tokens
	supplies  Supplies
	now       func() time.Time
}

var _ session.Store = (*store)(nil)

// Prepare writes the intent into the MesosNode, makes its token good, and makes what it
// is launched with. It refuses what the record does not ask for.
func (s *store) Prepare(ctx context.Context, intent scheduler.Intent) (scheduler.Payload, error) {
	token := identity.NewToken()
	var made scheduler.Payload
	n, err := s.write(ctx, intent.TaskID, func(n *v1alpha1.MesosNode) error {
		if err := refusal(n, intent.TaskID); err != nil {
			return err
		}
		n.Status.Task = s.intended(intent, token)
		var err error
		made, err = payload(n, intent, s.supplies, token.String())
		return err
	})
	if err != nil {
		return scheduler.Payload{}, fmt.Errorf("preparing %s: %w", intent.TaskID, err)
	}
	if err := s.tokens.Issue(ctx, n, token); err != nil {
		return scheduler.Payload{}, fmt.Errorf("preparing %s: %w", intent.TaskID, err)
	}
	return made, nil
}

// refusal says why a node is not to be launched as this task, nil if it is.
func refusal(n *v1alpha1.MesosNode, taskID string) error {
	switch task := n.Status.Task; {
	case !n.DeletionTimestamp.IsZero():
		return fmt.Errorf("MesosNode %s is being deleted", n.Name)
	case mesosnode.TaskID(n, n.Status.Attempt) != taskID:
		return fmt.Errorf("MesosNode %s is at another attempt, or is another", n.Name)
	case task != nil:
		return fmt.Errorf("MesosNode %s has the task %s (%s) already", n.Name, task.ID, task.State)
	}
	return nil
}

func (s *store) intended(intent scheduler.Intent, token identity.Token) *v1alpha1.MesosTask {
	task := &v1alpha1.MesosTask{
		ID:               intent.TaskID,
		AgentID:          intent.AgentID,
		AgentHostname:    intent.Hostname,
		AgentAddress:     intent.Address,
		Region:           intent.Region,
		Zone:             intent.Zone,
		BootstrapTokenID: token.ID,
		IntentTime:       metav1.NewTime(s.now()),
	}
	if len(intent.Ports) > 0 {
		task.KubeletPort = int32(intent.Ports[0])
	}
	return task
}

// Record writes what Mesos tells of a task into the MesosNode that bears it. A status
// that says what is on record already is not written again.
func (s *store) Record(ctx context.Context, status scheduler.TaskStatus) error {
	_, err := s.write(ctx, status.TaskID, func(n *v1alpha1.MesosNode) error {
		task := n.Status.Task
		if task == nil || task.ID != status.TaskID {
			return scheduler.ErrUnknownTask
		}
		if scheduler.TaskState(task.State).Terminal() {
			return afterTheEnd(status)
		}
		// A node that runs has its certificate.
		if spent := status.State == scheduler.TaskRunning && task.CertificateRequest != ""; spent || status.State.Terminal() {
			if err := s.tokens.Revoke(ctx, n); err != nil {
				return err
			}
			task.BootstrapTokenID = ""
		}
		keep(task, status, s.now())
		return nil
	})
	if err != nil {
		return fmt.Errorf("recording %s of %s: %w", status.State, status.TaskID, err)
	}
	return nil
}

// afterTheEnd judges a status of a task that is on record as ended. How it ended is
// kept as it was told first; one that lives after all is nobody's.
func afterTheEnd(status scheduler.TaskStatus) error {
	if status.State.Terminal() {
		return nil
	}
	return scheduler.ErrUnknownTask
}

// keep writes a status into the record, if it says something new. Its time is ours: how
// long to wait after a failure is counted from it, and an agent's clock may be wrong.
func keep(task *v1alpha1.MesosTask, status scheduler.TaskStatus, now time.Time) {
	if task.State == string(status.State) && status.Reason == scheduler.ReasonReconciliation {
		return // it was asked for, and is no news
	}
	message, kubelet := trim(status.Message), kubeletOf(task, status)
	if task.State == string(status.State) && task.Reason == status.Reason && task.Message == message && equality.Semantic.DeepEqual(task.Kubelet, kubelet) {
		return
	}
	task.Kubelet = kubelet
	task.State, task.Reason, task.Message = string(status.State), status.Reason, message
	task.UpdateTime = &metav1.Time{Time: now}
}

// kubeletOf is what is known of a task's kubelet with this status. What says nothing of
// it, or what nobody here can read, changes nothing.
func kubeletOf(task *v1alpha1.MesosTask, status scheduler.TaskStatus) *v1alpha1.TaskKubelet {
	account, said, err := nodeapi.DecodeNodeStatus(status.Data)
	if err != nil || !said {
		return task.Kubelet
	}
	told := &v1alpha1.TaskKubelet{SHA256: account.Kubelet}
	if u := account.Upgrade; u.SHA256 != "" {
		told.Upgrade = &v1alpha1.TaskKubeletUpgrade{SHA256: u.SHA256, Refused: u.Refused, Message: trim(u.Message)}
	}
	return told
}

// write changes the status of the MesosNode that a task is for.
func (s *store) write(ctx context.Context, taskID string, change func(*v1alpha1.MesosNode) error) (*v1alpha1.MesosNode, error) {
	name, ok := mesosnode.NameOf(taskID)
	if !ok {
		return nil, scheduler.ErrUnknownTask
	}
	if n, done, err := s.tryWrite(ctx, s.client, name, change); done && err == nil {
		return n, nil
	}
	for range maxTries {
		n, _, err := s.tryWrite(ctx, s.live, name, change)
		if !apierrors.IsConflict(err) {
			return n, err
		}
	}
	return nil, fmt.Errorf("writing the status of MesosNode %s: too many conflicts", name)
}

// tryWrite goes by one reading. It is done when something was written.
func (s *store) tryWrite(ctx context.Context, from client.Reader, name string, change func(*v1alpha1.MesosNode) error) (n *v1alpha1.MesosNode, done bool, err error) {
	n = &v1alpha1.MesosNode{}
	if err := from.Get(ctx, client.ObjectKey{Name: name}, n); err != nil {
		if apierrors.IsNotFound(err) {
			err = scheduler.ErrUnknownTask
		}
		return nil, false, err
	}
	before := n.DeepCopy()
	if err := change(n); err != nil {
		return nil, false, err
	}
	if n.Spec.FrameworkRef.Name != s.framework {
		return nil, false, scheduler.ErrUnknownTask
	}
	if equality.Semantic.DeepEqual(before.Status, n.Status) {
		return n, false, nil
	}
	patch := client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})
	if err := s.client.Status().Patch(ctx, n, patch); err != nil {
		if apierrors.IsNotFound(err) {
			err = scheduler.ErrUnknownTask
		}
		return nil, false, err
	}
	return n, true, nil
}

// trim bounds a message, and makes it text that JSON can hold.
func trim(message string) string {
	message = strings.ToValidUTF8(message, "?")
	if len(message) <= maxMessage {
		return message
	}
	return strings.ToValidUTF8(message[:maxMessage-len("…")], "") + "…"
}
