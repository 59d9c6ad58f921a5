package mesosnode

import (
	"context"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/event"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/controllers/nodetemplate"
	"github.com/k8sm/k8sm/mesos/nodeapi"
	"github.com/k8sm/k8sm/mesos/placement"
	"github.com/k8sm/k8sm/mesos/scheduler"
)

// Sessions finds the session that a MesosFramework has with Mesos.
type Sessions interface {
	// Get returns the session of the named MesosFramework, and false while there is
	// none: the MesosFramework does not exist, or cannot be used yet.
	Get(name string) (Session, bool)
	// Maintenance returns when an agent of the named MesosFramework's cluster is to be
	// unavailable, as far as the master has announced it; false when nothing is planned.
	// Options.Changes has an event for each change of the answer, for each agent that was
	// asked about.
	Maintenance(name, agentID string) (scheduler.Window, bool)
}

// Session is the part of a session with Mesos that a node needs. No method blocks, and
// all of them can be called again with the same arguments: what they ask for is
// level-triggered and lost with the session, so that it is asked of the next one too.
type Session interface {
	// Ready reports whether the session is subscribed and knows what became of its
	// tasks: only then is anything launched, and only then does silence of a task mean
	// anything.
	Ready() bool
	// AddDemand asks for a place for the demand, until a task of its ID is launched or
	// WithdrawDemand is called. Of demands with one ID the last counts. One whose task is
	// known already is ignored.
	AddDemand(demand placement.Demand)
	// WithdrawDemand withdraws the demand with this task ID, if there is one.
	WithdrawDemand(taskID string)
	// Kill ends the task, and sends the call again until a terminal state is recorded.
	Kill(taskID, agentID string)
	// SendMessage sends data to the task's executor, once: it may get lost, and is answered by
	// the record of the task at best.
	SendMessage(taskID string, data []byte)
	// Explain returns why a wanted demand has no place yet. Waiting is false when the
	// demand is not wanted any more; the message is empty while nothing is known.
	Explain(taskID string) (message string, waiting bool)
}

// Tokens revokes the bootstrap tokens with which nodes ask for their first certificate.
type Tokens interface {
	// Revoke makes the bootstrap token of the node's current attempt useless. It is
	// no error that there is none.
	Revoke(ctx context.Context, node *v1alpha1.MesosNode) error
}

// Names records the names of nodes for as long as somebody may hold a certificate in them.
type Names interface {
	// IsRemoved reports whether a name is that of a removed node in whose name somebody may
	// hold a certificate that is still valid, and until when.
	IsRemoved(ctx context.Context, name string, now time.Time) (until time.Time, removed bool, err error)
	// SetLive records the name of a node that exists, when its last certificate expires, and
	// whether its kubelet was told to register with the registration taint.
	SetLive(ctx context.Context, name string, until time.Time, registrationTaint bool) error
	// SetRemoved records the name of a node that is about to be gone. It returns once the
	// record is durable.
	SetRemoved(ctx context.Context, name string, until time.Time) error
}

// Volumes finds the volumes that are attached to a node.
type Volumes interface {
	// Attached returns the names of all of them.
	Attached(ctx context.Context, node string) ([]string, error)
	// Detaching returns the names of those that no pod that is left on the node uses.
	Detaching(ctx context.Context, node string) ([]string, error)
}

// Runtimes knows what nodes are made of, as a *catalogue.Catalogue does.
type Runtimes interface {
	// Resolve returns what the nodes of a template are made of, and why none is made of it. An
	// error means that this is not known at present.
	Resolve(ctx context.Context, spec v1alpha1.NodeTemplateSpec) (nodetemplate.Resolved, nodetemplate.Refusal, error)
	// Changes has an event for each change of the answers that nothing else announces.
	Changes() <-chan event.GenericEvent
}

// Mirror has the credentials for the mirror of artifacts, as a mirror.Reader does.
type Mirror interface {
	// Credentials returns what executors present to the mirror at present, nil for nothing.
	Credentials(ctx context.Context) (*nodeapi.ServerCredentials, error)
}
