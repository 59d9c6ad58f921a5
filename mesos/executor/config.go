package executor

import (
	"time"

	"github.com/go-logr/logr"
)

// Workload is what the executor's one task runs.
type Workload interface {
	// Run runs the task until it ends by itself or because of Stop, and returns its terminal
	// state. It reports Starting and Running as they come. Run is called at most once.
	Run(task Task, report func(Report)) Report
	// Stop makes Run end, and returns at once. Grace is the time between asking processes to
	// end and killing them; negative for the workload's default. Stop may be called again,
	// and the nearest deadline then counts. It may be called before Run.
	Stop(grace time.Duration)
	// Message gives a message of the framework to the running task, and returns at once. A
	// message may be lost, or come twice: Mesos guarantees nothing.
	Message(data []byte)
}

// Config of a Driver. Workload and Now are required; zero durations get defaults.
type Config struct {
	Identity
	// Agent is the agent to subscribe with.
	Agent Endpoint
	// Checkpoint: the executor outlives its agent, and reconnects within RecoveryTimeout.
	// Without it, a lost connection ends the executor.
	Checkpoint      bool
	RecoveryTimeout time.Duration
	// RetryInterval is the time between two attempts to subscribe. An agent that restarts
	// waits 2 s for its executors by default; the interval must be well below.
	RetryInterval time.Duration
	// ResendInterval is the time after which an update is sent again if it was not
	// acknowledged.
	ResendInterval time.Duration
	// IdleTimeout is the maximum time that the executor is subscribed without a task. The
	// agent sends a task at once, unless it lost it. An agent cannot be drained while one of
	// its executors is idle.
	IdleTimeout time.Duration
	// AckTimeout is the maximum time to wait for the acknowledgement of the terminal update.
	AckTimeout time.Duration
	// ShutdownGrace is the time between SHUTDOWN and the agent's SIGKILL.
	ShutdownGrace time.Duration

	Workload Workload
	Now      func() time.Time
	Log      logr.Logger
}

// The defaults of Config.
const (
	DefaultRetryInterval   = 500 * time.Millisecond
	DefaultResendInterval  = 5 * time.Second
	DefaultIdleTimeout     = time.Minute
	DefaultAckTimeout      = 15 * time.Second
	DefaultShutdownGrace   = 5 * time.Second
	DefaultRecoveryTimeout = 15 * time.Minute
)

func (c *Config) setDefaults() {
	setDefault(&c.RetryInterval, DefaultRetryInterval)
	setDefault(&c.ResendInterval, DefaultResendInterval)
	setDefault(&c.IdleTimeout, DefaultIdleTimeout)
	setDefault(&c.AckTimeout, DefaultAckTimeout)
	setDefault(&c.ShutdownGrace, DefaultShutdownGrace)
	setDefault(&c.RecoveryTimeout, DefaultRecoveryTimeout)
}

func setDefault(d *time.Duration, value time.Duration) {
	if *d <= 0 {
		*d = value
	}
}
