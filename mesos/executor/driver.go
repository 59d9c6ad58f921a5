package executor

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/go-logr/logr"
	"github.com/mesos/mesos-go/api/v1/lib/executor"
)

// Workload is what the executor's one task does.
type Workload interface {
	// Run does the task until it ends by itself or because of Stop, and returns its
	// terminal state. It passes Starting and Running to report as they come. Run is
	// called at most once.
	Run(task Task, report func(Report)) Report
	// Stop asks Run to end and returns at once. Grace is the time between asking what
	// runs to end and forcing it to, negative for the workload's own default. Stop may
	// be called again, then the nearest deadline holds; and before Run has begun.
	Stop(grace time.Duration)
	// Message brings what the framework says to the task that runs, and returns at once.
	// Mesos promises nothing: a message may be lost, or come twice.
	Message(data []byte)
}

// Config of a Driver. Workload and Now are needed; zero durations get defaults.
type Config struct {
	Identity
	// Agent to talk to.
	Agent Endpoint
	// Checkpoint: the executor outlives its agent and reconnects within
	// RecoveryTimeout. Without it a lost connection ends the executor.
	Checkpoint      bool
	RecoveryTimeout time.Duration
	// Retry is the time between two attempts to subscribe. An agent that restarts
	// waits 2 s for its executors by default, so it is well below.
	Retry time.Duration
	// Resend is the time after which an update that was not acknowledged is sent again.
	Resend time.Duration
	// Idle bounds the time for which the executor is subscribed without a task. The
	// agent sends one at once, unless it lost it; and while an executor idles, its agent
	// cannot be drained.
	Idle time.Duration
	// Settle bounds the wait for the acknowledgement of the terminal update.
	Settle time.Duration
	// ShutdownGrace is the time between SHUTDOWN and the agent's own SIGKILL.
	ShutdownGrace time.Duration

	Workload Workload
	Now      func() time.Time
	Log      logr.Logger
}

// The defaults of Config.
const (
	DefaultRetry           = 500 * time.Millisecond
	DefaultResend          = 5 * time.Second
	DefaultIdle            = time.Minute
	DefaultSettle          = 15 * time.Second
	DefaultShutdownGrace   = 5 * time.Second
	DefaultRecoveryTimeout = 15 * time.Minute
)

// ErrAgentLost is returned by Run when the agent stayed away for too long.
var ErrAgentLost = errors.New("agent is gone")

// ErrNoTask is returned by Run when the agent took the executor and gave it no task.
var ErrNoTask = errors.New("no task came")

// Driver runs one executor from its first SUBSCRIBE until its task has ended.
type Driver struct {
	Config
	core   *Core
	client *agentClient

	stream     chan streamed
	batches    chan []*executor.Call // one at a time
	sent       chan error            // of the batch
	reports    chan Report
	outcomes   chan Report
	retry      *time.Timer
	lost       *time.Timer
	idle       *time.Timer
	settle     *time.Timer
	resend     *time.Timer // of what could not be sent
	quit       context.CancelFunc
	subscribed bool
	sending    bool // a batch is on its way
	launched   bool
	taskGrace  time.Duration
	leaving    bool // nothing but the end of the workload and its report is awaited
	ended      bool // the workload has returned
	done       bool
	failure    error
}

// NewDriver checks the configuration and fills in its defaults.
func NewDriver(c Config) (*Driver, error) {
	if c.Workload == nil || c.Now == nil {
		return nil, errors.New("making executor driver: workload and clock are needed")
	}
	setDefault(&c.Retry, DefaultRetry)
	setDefault(&c.Resend, DefaultResend)
	setDefault(&c.Idle, DefaultIdle)
	setDefault(&c.Settle, DefaultSettle)
	setDefault(&c.ShutdownGrace, DefaultShutdownGrace)
	setDefault(&c.RecoveryTimeout, DefaultRecoveryTimeout)
	return &Driver{
		Config:   c,
		core:     NewCore(c.Identity),
		client:   newClient(c.Agent),
		stream:   make(chan streamed),
		batches:  make(chan []*executor.Call, 1),
		sent:     make(chan error),
		reports:  make(chan Report),
		outcomes: make(chan Report, 1),
	}, nil
}

func setDefault(d *time.Duration, value time.Duration) {
	if *d <= 0 {
		*d = value
	}
}

// Run subscribes and goes on until the task has ended and the agent knows it, or the
// agent is lost or refuses the executor. When the context ends, the workload is stopped
// as by a SHUTDOWN. Run returns after the workload has.
func (d *Driver) Run(ctx context.Context) error {
	inner, quit := context.WithCancel(context.WithoutCancel(ctx))
	d.quit = quit
	defer quit()
	d.retry, d.lost = stopped(), time.NewTimer(d.RecoveryTimeout)
	d.idle, d.settle, d.resend = stopped(), stopped(), time.NewTimer(d.Resend)
	go d.send(inner)
	go d.subscribe(inner, d.core.Subscribe(d.Now()))

	interrupt := ctx.Done()
	for !d.done {
		select {
		case <-interrupt:
			interrupt = nil
			d.leave("the executor was told to end")
		case s := <-d.stream:
			d.streamed(s)
		case r := <-d.reports:
			d.update(r)
		case r := <-d.outcomes:
			d.end(r)
		case <-d.retry.C:
			go d.subscribe(inner, d.core.Subscribe(d.Now()))
		case err := <-d.sent:
			d.batchSent(err)
		case <-d.resend.C:
			d.resend.Reset(d.Resend)
			d.flush()
		case <-d.idle.C:
			d.fail(fmt.Errorf("being subscribed for %s: %w", d.Idle, ErrNoTask))
		case <-d.lost.C:
			d.fail(fmt.Errorf("waiting for the agent for %s: %w", d.RecoveryTimeout, ErrAgentLost))
		case <-d.settle.C:
			d.unsettled()
		}
	}
	return d.failure
}

func stopped() *time.Timer {
	t := time.NewTimer(time.Hour)
	t.Stop()
	return t
}

// streamed takes an event of the agent's stream, or the stream's end.
func (d *Driver) streamed(s streamed) {
	if s.err != nil {
		d.disconnected(s.err)
		return
	}
	decision := d.core.Event(s.event)
	switch {
	case decision.Subscribed:
		d.Log.Info("Subscribed with agent")
		d.subscribed = true
		d.lost.Stop()
		if !d.launched {
			d.idle.Reset(d.Idle)
		}
	case decision.Launch != nil:
		d.launch(*decision.Launch)
	case decision.Kill != nil:
		d.kill(*decision.Kill)
	case decision.Message != nil:
		d.Workload.Message(decision.Message)
	case decision.Shutdown:
		d.leave("the agent shuts the executor down")
	case decision.Failure != nil:
		d.fail(decision.Failure)
	}
	for _, id := range decision.Refuse {
		d.Log.Info("Refusing task", "task", id)
		d.core.Refuse(id, newUUID(), d.Now())
	}
	d.flush()
	d.settled()
}

func (d *Driver) launch(t Task) {
	d.Log.Info("Launching task", "task", t.ID)
	d.launched, d.taskGrace = true, t.KillGrace
	d.idle.Stop()
	go func() {
		d.outcomes <- d.Workload.Run(t, func(r Report) { d.reports <- r })
	}()
}

// kill stops the workload with the grace that the call brought, else the task's.
func (d *Driver) kill(k Kill) {
	grace := k.Grace
	if grace < 0 && d.taskGrace > 0 {
		grace = d.taskGrace
	}
	d.Log.Info("Killing task", "grace", grace)
	if d.core.TellsKilling() {
		d.update(Report{State: Killing})
	}
	d.Workload.Stop(grace)
}

// disconnected tries again, as long as there is something to come back for.
func (d *Driver) disconnected(err error) {
	if d.subscribed {
		d.Log.Info("Agent disconnected", "reason", err.Error())
		d.lost.Reset(d.RecoveryTimeout)
	}
	wasSubscribed := d.subscribed
	d.subscribed = false
	d.idle.Stop()
	switch {
	case d.leaving && d.ended:
		d.done = true
	case d.leaving:
	case errors.Is(err, errRefused):
		d.fail(err)
	case wasSubscribed && !d.Checkpoint:
		d.fail(fmt.Errorf("losing the agent without checkpointing: %w", err))
	default:
		d.retry.Reset(d.Retry)
	}
}

// leave stops the workload; the executor ends after it.
func (d *Driver) leave(reason string) {
	d.Log.Info("Leaving", "reason", reason)
	d.leaving = true
	if !d.launched {
		d.done = true
		return
	}
	// Half of the agent's patience for what runs, half for clearing up behind it.
	d.Workload.Stop(d.ShutdownGrace / 2)
}

func (d *Driver) fail(err error) {
	if d.failure == nil {
		d.failure = err
	}
	d.leave(err.Error())
	if d.ended {
		d.done = true
	}
}

func (d *Driver) update(r Report) {
	d.Log.Info("Reporting task", "state", r.State, "message", r.Message)
	d.core.Update(r, newUUID(), d.Now())
	d.flush()
}

// end reports how the workload ended, and waits a while for the agent to take it.
func (d *Driver) end(r Report) {
	d.ended = true
	d.update(r)
	switch {
	case d.leaving && !d.subscribed:
		d.done = true
	case d.leaving:
		d.settle.Reset(min(d.Settle, d.ShutdownGrace/4))
	default:
		d.settle.Reset(d.Settle)
	}
}

func (d *Driver) settled() {
	if d.ended && d.core.Settled() {
		d.done = true
	}
}

// unsettled gives up on the acknowledgement, unless the agent is away and may come
// back to take it.
func (d *Driver) unsettled() {
	if !d.subscribed && !d.leaving {
		d.settle.Reset(d.Settle)
		return
	}
	d.Log.Info("Leaving without acknowledgement of the last update")
	d.done = true
}

// flush sends what is due. While there is no subscription it stays: the next SUBSCRIBE
// has it all.
func (d *Driver) flush() {
	if !d.subscribed || d.sending {
		return
	}
	if batch := d.core.Due(d.Now(), d.Resend); len(batch) > 0 {
		d.sending = true
		d.batches <- batch
	}
}

// batchSent goes on with what came meanwhile, or, when the batch failed, with all of it
// after a while: an agent that recovers takes no updates yet.
func (d *Driver) batchSent(err error) {
	d.sending = false
	if err == nil {
		d.flush()
		return
	}
	d.Log.Info("Updates were not taken, they will be sent again", "reason", err.Error())
	d.core.Unsent()
	d.resend.Reset(d.Retry)
}

// send posts the calls of a batch one after the other, up to the first that fails: a
// state must not overtake the one before it.
func (d *Driver) send(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case batch := <-d.batches:
			err := d.post(ctx, batch)
			select {
			case d.sent <- err:
			case <-ctx.Done():
				return
			}
		}
	}
}

func (d *Driver) post(ctx context.Context, batch []*executor.Call) error {
	for _, call := range batch {
		if err := d.client.post(ctx, call); err != nil {
			return err
		}
	}
	return nil
}

// subscribe sends the call and passes on all events, then the error that ended the
// stream.
func (d *Driver) subscribe(ctx context.Context, call *executor.Call) {
	emit := func(s streamed) bool {
		select {
		case d.stream <- s:
			return true
		case <-ctx.Done():
			return false
		}
	}
	err := d.client.stream(ctx, call, func(e *executor.Event) bool { return emit(streamed{event: e}) })
	emit(streamed{err: err})
}

type streamed struct {
	event *executor.Event
	err   error
}

func newUUID() []byte {
	uuid := make([]byte, 16)
	_, _ = rand.Read(uuid) // never fails
	uuid[6] = uuid[6]&0x0f | 0x40
	uuid[8] = uuid[8]&0x3f | 0x80
	return uuid
}
