package mesostest

import (
	"crypto/tls"
	"net"
	"time"

	"github.com/go-logr/logr"
	schedulerpb "github.com/mesos/mesos-go/api/v1/lib/scheduler"
)

// MasterOptions configure a master. The zero value is a master on a free
// loopback port with Mesos' own defaults.
type MasterOptions struct {
	// Address to listen on, host:port. Default 127.0.0.1:0. Ignored with a Listener.
	Address string
	// Listener to serve on instead of Address; the master closes it. For TLS, pass
	// a tls.Listener.
	Listener net.Listener
	// Listeners of several masters; see [NewMasters].
	Listeners []net.Listener
	// Hostname that frameworks get, also in redirects. Default: the IP address.
	Hostname string
	// Version that frameworks get. Default 1.11.1.
	Version string
	// Domain is the fault domain of the master.
	Domain Domain
	// Credentials, if not nil, are the principals and their secrets: every call
	// needs basic authentication with one of them.
	Credentials map[string]string

	// AllocationInterval between two passes of the allocator. Default 1 s.
	AllocationInterval time.Duration
	// HeartbeatInterval of schedulers' streams. Default 15 s.
	HeartbeatInterval time.Duration
	// OfferTimeout after which an unanswered offer is rescinded. Default: never.
	OfferTimeout time.Duration
	// UpdateRetryInterval after which an agent sends an unacknowledged status update
	// again; it doubles with each time, to ten minutes. Default 10 s.
	UpdateRetryInterval time.Duration
	// AgentTimeout after which a partitioned agent is unreachable. Default 75 s.
	AgentTimeout time.Duration

	// ElectAfter the leader's death the next one of several masters leads, as when its
	// ZooKeeper session has ended. Default: never; only Elect makes one lead.
	ElectAfter time.Duration
	// RecoveryTime of a master that was elected, before it takes calls. Default: none.
	RecoveryTime time.Duration
	// AgentReturn is the time from a leader's recovery until the agents register again.
	// Default 1 s. [Agent.Pause] and [Agent.Disconnect] keep one away for longer.
	AgentReturn time.Duration
	// AgentReregisterTimeout after which agents that did not return to a new leader
	// are unreachable. Default 10 min.
	AgentReregisterTimeout time.Duration

	// Faults that are there from the start; [Master.Inject] changes them later.
	Faults Faults
	// Observe, if not nil, is called with each well-formed scheduler call before it
	// is executed, by the goroutine that serves it. The call must not be changed.
	Observe func(*schedulerpb.Call)
	// ObserveEvent, if not nil, is called with each event but heartbeats that is put on
	// a scheduler's stream, in their order. It must neither change the event nor call
	// the master.
	ObserveEvent func(*schedulerpb.Event)
	// Log of what the cluster does. The zero value logs nothing.
	Log logr.Logger
	// Now is the clock that dates statuses and filters. Default time.Now.
	Now func() time.Time
}

// Domain is a fault domain. It is known when it has a region.
type Domain struct {
	Region, Zone string
}

// AgentOptions configure an agent.
type AgentOptions struct {
	// Hostname that frameworks get. Default agent-N.example.
	Hostname string
	// Address to listen on for executors, host:port. Default 127.0.0.1:0, or, for an
	// agent whose Launcher is a Func, nothing: its executors need no socket.
	Address string
	// Listener to serve on instead of Address; the agent closes it.
	Listener net.Listener
	// IP that frameworks get. Default: the one that the agent listens on, or, for
	// an agent that does not, one of its own out of 198.18.0.0/15.
	IP string
	// NetNS is the path of a network namespace, such as /run/netns/host-1. The agent
	// listens in it and its containers run in it. Default: that of this process.
	NetNS string
	// Resources in Mesos' text form; cpus(role):4 are reserved for the role.
	// Default cpus:4;mem:8192;disk:20000;ports:[31000-32000].
	Resources string
	// Attributes in Mesos' text form, such as rack:r1;slots:8;ports_open:[1000-1999].
	Attributes string
	// Domain is the fault domain of the agent.
	Domain Domain
	// WorkDir holds the sandboxes. Default: a temporary directory, removed by Close.
	WorkDir string
	// Launcher starts containers. Default: a ProcessLauncher without cgroups.
	Launcher Launcher

	// ExecutorKey, if it has any bytes, signs the tokens by which the agent knows its
	// executors again, as with --authenticate_http_executors: each finds its own in its
	// environment, and must show it with every call.
	ExecutorKey []byte
	// TLS, if not nil, is what executors are served with, and nothing else.
	TLS *tls.Config
	// ExecutorEnvironment are variables for all executors, as KEY=value; settings
	// of TLS belong here.
	ExecutorEnvironment []string
	// ExecutorRegistrationTimeout before an executor that has not subscribed is
	// killed, fetching included. Default 1 min.
	ExecutorRegistrationTimeout time.Duration
	// ExecutorShutdownGracePeriod between SHUTDOWN and the end of the container,
	// unless the ExecutorInfo has its own. Default 5 s.
	ExecutorShutdownGracePeriod time.Duration
	// ExecutorReregistrationTimeout that an agent which was started again gives its
	// executors to subscribe, before it registers with the master. Default 2 s.
	ExecutorReregistrationTimeout time.Duration
	// RecoveryTimeout that executors get: the time that they run on without their agent.
	// Default 15 min.
	RecoveryTimeout time.Duration
}

const (
	defaultResources = "cpus:4;mem:8192;disk:20000;ports:[31000-32000]"
	defaultVersion   = "1.11.1"
)

func (o MasterOptions) withDefaults() MasterOptions {
	setDefault(&o.Address, "127.0.0.1:0")
	setDefault(&o.Version, defaultVersion)
	setDefault(&o.AllocationInterval, time.Second)
	setDefault(&o.HeartbeatInterval, 15*time.Second)
	setDefault(&o.UpdateRetryInterval, 10*time.Second)
	setDefault(&o.AgentTimeout, 75*time.Second)
	setDefault(&o.AgentReturn, time.Second)
	setDefault(&o.AgentReregisterTimeout, 10*time.Minute)
	if o.Now == nil {
		o.Now = time.Now
	}
	return o
}

func (o AgentOptions) withDefaults() AgentOptions {
	setDefault(&o.Resources, defaultResources)
	setDefault(&o.ExecutorRegistrationTimeout, time.Minute)
	setDefault(&o.ExecutorShutdownGracePeriod, 5*time.Second)
	setDefault(&o.ExecutorReregistrationTimeout, 2*time.Second)
	setDefault(&o.RecoveryTimeout, 15*time.Minute)
	if o.Launcher == nil {
		o.Launcher = ProcessLauncher{}
	}
	return o
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}
