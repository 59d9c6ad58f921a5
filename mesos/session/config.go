package session

import (
	"context"
	"crypto/tls"
	"net"
	"time"

	"github.com/go-logr/logr"

	"github.com/k8sm/k8sm/mesos/scheduler"
)

// Store keeps the durable records. Its methods are called concurrently, and again after
// they failed. Their context ends with the session, and after 30 s.
type Store interface {
	// StoreFrameworkID stores the ID that the master assigned. Nothing is launched before.
	StoreFrameworkID(ctx context.Context, id string) error
	// Prepare stores the intent, and then makes the payload that the task is launched with.
	// After an error nothing is launched: TASK_DROPPED is recorded for the task, in case the
	// intent was stored, and the demand is placed again later.
	Prepare(ctx context.Context, in scheduler.Intent) (scheduler.Payload, error)
	// Record stores a status. It is called at least once for each status, and in order for
	// the statuses of one task. It returns scheduler.ErrUnknownTask when there is no record
	// of the task. A status with IsForeign does not change the state of the task: its state
	// is to be in Task.Disputed of a later session, until a status with a UUID is recorded.
	Record(ctx context.Context, st scheduler.TaskStatus) error
}

// Credentials are what a session presents to masters, and what it trusts.
type Credentials struct {
	// Authorization is the value of the Authorization header; empty for none.
	Authorization string
	// TLS is for masters with https:// addresses; nil trusts the system's authorities. It
	// must not be changed afterwards.
	TLS *tls.Config
	// ZooKeeper is the user:password for ZooKeeper; empty for the one in its address, or none.
	ZooKeeper string
}

// Config of a session. Masters, Framework, Store and Clock are required.
type Config struct {
	// Masters are host:port, http://host:port or https://host:port, in any order. Or there is
	// a single zk://[user:password@]host:port[,host:port…]/path, where the masters register.
	// Masters found there are connected to with TLS if Credentials has it.
	Masters []string
	// Framework is what to register.
	Framework scheduler.Info
	// Credentials to begin with; SetCredentials changes them.
	Credentials
	// MaySubscribe is called before each SUBSCRIBE, the last time just before the request is
	// written. Its error delays the subscription, which is tried again after a back-off. A
	// process that is no longer the leader among its replicas must return an error, because
	// its SUBSCRIBE would disconnect the leader. It must heed its context. nil allows all.
	MaySubscribe func(ctx context.Context) error
	// Dial opens all connections; nil is a net.Dialer with the environment's proxies.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Tasks that may be running, from the durable records.
	Tasks []scheduler.Task
	// AgentFailures are what a session before this one had.
	AgentFailures []scheduler.AgentFailure
	// Store keeps the durable records.
	Store Store
	// Log of the session; the zero value discards it.
	Log logr.Logger
	// Clock returns the time.
	Clock func() time.Time
	// Seed of the jitter in back-offs; 0 takes one from the clock.
	Seed uint64
	// Timing of the scheduler; the zero value has the defaults.
	Timing scheduler.Timing
	// OnChange is called when State, an explanation or a maintenance window changed. It must
	// not block.
	OnChange func()
	// Metrics to count in; nil for none.
	Metrics *Metrics
}

// State is what is known of the registration.
type State = scheduler.State
