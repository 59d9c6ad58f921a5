package session

import (
	"context"
	"crypto/tls"
	"net"
	"time"

	"github.com/go-logr/logr"

	"github.com/k8sm/k8sm/mesos/scheduler"
)

// Store is where the durable records lie. Its methods are called concurrently, and
// again when they failed; a context ends with the session.
type Store interface {
	// StoreFrameworkID keeps the ID that the master gave. Nothing is launched before.
	StoreFrameworkID(ctx context.Context, id string) error
	// Prepare writes the intent durably, then makes what the task is launched with. An
	// error means that nothing is launched: a TASK_DROPPED is then recorded for it, in
	// case the intent was written, and the demand is tried again later.
	Prepare(ctx context.Context, in scheduler.Intent) (scheduler.Payload, error)
	// Record keeps a status. It is called at least once for each status, in order for
	// one task. It returns framework.ErrUnknownTask when no record bears the task.
	Record(ctx context.Context, st scheduler.TaskStatus) error
}

// Credentials is what lets a session in.
type Credentials struct {
	// Authorization is the value of the Authorization header; empty for none.
	Authorization string
	// TLS for masters with https:// addresses; nil for the system's authorities. It is
	// not changed, and must not be once it was given.
	TLS *tls.Config
}

// Config of a session.
type Config struct {
	// Masters are host:port, http://host:port or https://host:port, in any order; or
	// alone zk://[user:password@]host:port[,host:port…]/path, where they register. Those
	// are then spoken to with TLS if Access has any.
	Masters []string
	// Framework says as what to register.
	Framework scheduler.Info
	// Access that the session begins with; SetCredentials changes it.
	Credentials
	// MaySubscribe is asked before each SUBSCRIBE, the last time just before it is
	// written: a scheduler that no longer leads among its like would throw the one that
	// does out. Its error holds the subscription back, and is tried again with the
	// back-off. It must heed its context. nil: always.
	MaySubscribe func(ctx context.Context) error
	// Dial opens every connection; nil for a net.Dialer, and the environment's proxies.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Tasks that may be alive, from the durable records.
	Tasks []scheduler.Task
	// Store of the durable records.
	Store Store
	// Log; the zero value logs nothing.
	Log logr.Logger
	// Clock tells the time.
	Clock func() time.Time
	// Seed of the jitter in back-offs; 0 takes one from the clock.
	Seed uint64
	// Timing of the core; the zero value takes the defaults.
	Timing scheduler.Timing
	// OnChange is called when State or an explanation changed. It must not block.
	OnChange func()
	// Metrics to count in; nil counts nowhere.
	Metrics *Metrics
}

// State is what is known of the registration.
type State = scheduler.State
