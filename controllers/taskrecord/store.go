package taskrecord

import (
	"context"
	"errors"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/controllers/bootstraptoken"
	"github.com/k8sm/k8sm/controllers/messages"
	"github.com/k8sm/k8sm/controllers/nodemodel"
	"github.com/k8sm/k8sm/controllers/patch"
	"github.com/k8sm/k8sm/mesos/scheduler"
	"github.com/k8sm/k8sm/mesos/session"
)

// maxTries is the maximum number of attempts at a write that meets conflicts. Each conflict
// means that another writer made progress, so conflicts do not go on for ever.
const maxTries = 10

// Tokens issues and revokes bootstrap tokens.
type Tokens interface {
	// Issue makes the token valid for the node, whose status.task already holds its ID.
	Issue(ctx context.Context, node *v1alpha1.MesosNode, token bootstraptoken.Token) error
	// Revoke makes the token of the node's current attempt invalid. It is no error if
	// there is none.
	Revoke(ctx context.Context, node *v1alpha1.MesosNode) error
}

// BuildPayload returns what a node's task is launched with. The node's status.task is the
// intent. Token is the bootstrap token as a kubelet presents it.
type BuildPayload func(ctx context.Context, node *v1alpha1.MesosNode, intent scheduler.Intent, token string) (scheduler.Payload, error)

// CheckAddress reports whether an agent's address must not be that of a node, with the reason in
// err. An err without refused means that the check failed.
type CheckAddress func(ctx context.Context, address, agentID string) (refused bool, err error)

// Options are the dependencies of a Store. All but CheckAddress are needed.
type Options struct {
	// Client reads from the manager's cache and writes to the API server.
	Client client.Client
	// Live reads from the API server.
	Live client.Reader
	// Tokens issues and revokes bootstrap tokens.
	Tokens Tokens
	// Payload builds what a task is launched with. Only Prepare needs it.
	Payload BuildPayload
	// CheckAddress is asked before a launch; nil accepts every address.
	CheckAddress CheckAddress
	// Now is the clock.
	Now func() time.Time
}

// Store is the durable record of one MesosFramework. It is safe for concurrent use.
//
// What it reads may come from a cache, because every write bears the resource version of
// what was read: a write that is based on an old copy fails, and is made again with a copy
// from the API server. A result that means "nothing is to be written" counts only if it is
// based on the latter.
type Store struct {
	framework string
	Options
}

var _ session.Store = (*Store)(nil)

// New returns the record of the named MesosFramework.
func New(framework string, options Options) *Store {
	return &Store{framework: framework, Options: options}
}

// Prepare writes the intent into the MesosNode, issues its bootstrap token, and returns what
// the task is launched with. It returns an error, and writes nothing, if the MesosNode does
// not ask for this task. If the agent's address is refused, it writes that the attempt ended with
// that, and the error is scheduler.ErrAgentRefused.
func (s *Store) Prepare(ctx context.Context, intent scheduler.Intent) (scheduler.Payload, error) {
	refusal, err := s.checkAddress(ctx, intent)
	if err != nil {
		return scheduler.Payload{}, fmt.Errorf("preparing %s: %w", intent.TaskID, err)
	}
	token := bootstraptoken.New()
	var payload scheduler.Payload
	n, err := s.write(ctx, intent.TaskID, func(n *v1alpha1.MesosNode) error {
		if err := checkLaunchable(n, intent.TaskID); err != nil {
			return err
		}
		n.Status.Task = newTask(intent, token, s.Now())
		if refusal != nil {
			n.Status.Task.BootstrapTokenID = ""
			applyStatus(n.Status.Task, refusedStatus(intent, refusal), s.Now())
			return nil
		}
		var err error
		payload, err = s.Payload(ctx, n, intent, token.String())
		return err
	})
	if err != nil {
		return scheduler.Payload{}, fmt.Errorf("preparing %s: %w", intent.TaskID, err)
	}
	if refusal != nil {
		return scheduler.Payload{}, fmt.Errorf("%w: %w", scheduler.ErrAgentRefused, refusal)
	}
	if err := s.Tokens.Issue(ctx, n, token); err != nil {
		return scheduler.Payload{}, fmt.Errorf("preparing %s: %w", intent.TaskID, err)
	}
	return payload, nil
}

// checkAddress returns why the address of an intent's agent is refused, nil if it is not.
func (s *Store) checkAddress(ctx context.Context, intent scheduler.Intent) (refusal, err error) {
	if s.CheckAddress == nil {
		return nil, nil
	}
	refused, err := s.CheckAddress(ctx, intent.Address, intent.AgentID)
	if refused {
		return err, nil
	}
	return nil, err
}

// Record writes a status that Mesos sent into the MesosNode of the task. A status that is
// on record already is not written again. The error is scheduler.ErrUnknownTask if no
// MesosNode has the task.
func (s *Store) Record(ctx context.Context, status scheduler.TaskStatus) error {
	err := s.record(ctx, status)
	if isContentRefused(err) {
		err = s.record(ctx, bare(status))
	}
	if err != nil {
		return fmt.Errorf("recording %s of %s: %w", status.State, status.TaskID, err)
	}
	return nil
}

func (s *Store) record(ctx context.Context, status scheduler.TaskStatus) error {
	_, err := s.write(ctx, status.TaskID, func(n *v1alpha1.MesosNode) error {
		task := n.Status.Task
		if task == nil || task.ID != status.TaskID {
			return scheduler.ErrUnknownTask
		}
		if scheduler.TaskState(task.State).Terminal() {
			return checkAfterEnd(status)
		}
		if status.IsForeign {
			addDisputed(task, status.State)
			return nil
		}
		// A node that runs has its certificate.
		if used := status.State == scheduler.TaskRunning && task.CertificateRequest != ""; used || status.State.Terminal() {
			if err := s.Tokens.Revoke(ctx, n); err != nil {
				return err
			}
			task.BootstrapTokenID = ""
		}
		applyStatus(task, status, s.Now())
		return nil
	})
	return err
}

// LiveTasks returns the framework's tasks that are not known to have ended, read from the
// API server. Intents that may not have been launched are among them: the operator may have
// died between intent and launch, or right after the launch.
func (s *Store) LiveTasks(ctx context.Context) ([]scheduler.Task, error) {
	var nodes v1alpha1.MesosNodeList
	if err := s.Live.List(ctx, &nodes); err != nil {
		return nil, fmt.Errorf("listing the tasks on record: %w", err)
	}
	var tasks []scheduler.Task
	for i := range nodes.Items {
		n := &nodes.Items[i]
		task := n.Status.Task
		if n.Spec.FrameworkRef.Name != s.framework || task == nil || scheduler.TaskState(task.State).Terminal() {
			continue
		}
		tasks = append(tasks, scheduler.Task{
			ID:       task.ID,
			AgentID:  task.AgentID,
			Hostname: task.AgentHostname,
			Group:    nodemodel.Demand(n, nil, s.Now()).Group,
			State:    scheduler.TaskState(task.State),
			Disputed: disputedStates(task),
		})
	}
	return tasks, nil
}

// RecordTasksGone records the end of all live tasks of a framework that Mesos has removed:
// Mesos has killed them, and sends no status for them any more.
func (s *Store) RecordTasksGone(ctx context.Context) error {
	tasks, err := s.LiveTasks(ctx)
	if err != nil {
		return err
	}
	for _, task := range tasks {
		err := s.Record(ctx, scheduler.TaskStatus{
			TaskID: task.ID, AgentID: task.AgentID, State: scheduler.TaskGone, Source: scheduler.SourceK8sm, Reason: scheduler.ReasonFrameworkRemoved,
			Message: "Mesos has removed the framework and all its tasks.", Time: s.Now(),
		})
		if err != nil && !errors.Is(err, scheduler.ErrUnknownTask) {
			return err
		}
	}
	return nil
}

// write changes the status of the MesosNode that a task is for. It tries the copy in the
// cache first. Only a write that succeeded with that copy counts; everything else is decided
// by the API server's copy.
func (s *Store) write(ctx context.Context, taskID string, change func(*v1alpha1.MesosNode) error) (*v1alpha1.MesosNode, error) {
	name, ok := nodemodel.NameOf(taskID)
	if !ok {
		return nil, scheduler.ErrUnknownTask
	}
	if n, written, err := s.tryWrite(ctx, s.Client, name, change); written && err == nil {
		return n, nil
	}
	for range maxTries {
		n, _, err := s.tryWrite(ctx, s.Live, name, change)
		if !apierrors.IsConflict(err) {
			return n, err
		}
	}
	return nil, fmt.Errorf("writing the status of MesosNode %s: too many conflicts", name)
}

// tryWrite reads the MesosNode once, changes it and patches its status if it differs.
// Written is false if the status was already as the change wants it.
func (s *Store) tryWrite(ctx context.Context, from client.Reader, name string, change func(*v1alpha1.MesosNode) error) (n *v1alpha1.MesosNode, written bool, err error) {
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
	if err := patch.Status(ctx, s.Client, before, n); err != nil {
		if apierrors.IsNotFound(err) {
			err = scheduler.ErrUnknownTask
		}
		return nil, false, err
	}
	return n, true, nil
}

// newTask returns the record of an intent.
func newTask(intent scheduler.Intent, token bootstraptoken.Token, now time.Time) *v1alpha1.MesosTask {
	task := &v1alpha1.MesosTask{
		ID:               intent.TaskID,
		AgentID:          messages.Truncate(intent.AgentID, maxName),
		AgentHostname:    messages.Truncate(intent.Hostname, maxName),
		AgentAddress:     messages.Truncate(intent.Address, maxName),
		Region:           messages.Truncate(intent.Region, maxName),
		Zone:             messages.Truncate(intent.Zone, maxName),
		BootstrapTokenID: token.ID,
		IntentTime:       metav1.NewTime(now),
		// The launch message of this release asks for it.
		RegistrationTaint: true,
	}
	if len(intent.Ports) > 0 {
		task.KubeletPort = int32(intent.Ports[0])
	}
	return task
}
