package executor

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/mesos/mesos-go/api/v1/lib/executor"
)

// ErrAgentLost is wrapped by Run's error when the agent stayed away for RecoveryTimeout.
var ErrAgentLost = errors.New("agent is gone")

// ErrNoTask is wrapped by Run's error when the agent accepted the executor and sent no task.
var ErrNoTask = errors.New("no task came")

// Driver runs one executor from its first SUBSCRIBE until its task has ended.
type Driver struct {
	Config
	core   *Core
	client *agentClient

	events   chan streamEvent
	batches  chan []*executor.Call // of updates to send; one at a time
	sent     chan error            // the result of a batch
	reports  chan Report           // of the workload while it runs
	outcomes chan Report           // of the workload when it has ended
	timers   timers

	subscribed    bool
	sending       bool // a batch is being sent
	launched      bool
	taskGrace     time.Duration // of the task's kill policy
	stopping      bool          // only the end of the workload, and its report, are waited for
	workloadEnded bool
	finished      bool // Run returns
	failure       error
}

// timers of a driver. All but resend are stopped unless what they limit is under way.
type timers struct {
	retry     *time.Timer // until the next attempt to subscribe
	agentLost *time.Timer // while there is no subscription
	idle      *time.Timer // while there is a subscription and no task
	ack       *time.Timer // after the end of the workload
	resend    *time.Timer // always runs
}

func newTimers(c *Config) timers {
	return timers{
		retry: newStoppedTimer(), idle: newStoppedTimer(), ack: newStoppedTimer(),
		agentLost: time.NewTimer(c.RecoveryTimeout), resend: time.NewTimer(c.ResendInterval),
	}
}

func newStoppedTimer() *time.Timer {
	t := time.NewTimer(time.Hour)
	t.Stop()
	return t
}

// NewDriver makes a driver. It returns an error when Workload or Now is missing.
func NewDriver(c Config) (*Driver, error) {
	if c.Workload == nil || c.Now == nil {
		return nil, errors.New("making executor driver: workload and clock are needed")
	}
	c.setDefaults()
	return &Driver{
		Config:   c,
		core:     NewCore(c.Identity),
		client:   newClient(c.Agent),
		events:   make(chan streamEvent),
		batches:  make(chan []*executor.Call, 1),
		sent:     make(chan error),
		reports:  make(chan Report),
		outcomes: make(chan Report, 1),
	}, nil
}

// Run subscribes, and returns nil when the task has ended and the agent has acknowledged it.
// It returns an error when the agent is lost, or refuses the executor. When the context ends,
// the workload is stopped as by a SHUTDOWN. Run always returns after the workload. It may be
// called once.
func (d *Driver) Run(ctx context.Context) error {
	inner, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	d.timers = newTimers(&d.Config)
	go d.sendBatches(inner)
	go d.subscribe(inner, d.core.Subscribe(d.Now()))

	interrupt := ctx.Done()
	for !d.finished {
		select {
		case <-interrupt:
			interrupt = nil
			d.stop("the agent sent SHUTDOWN")
		case e := <-d.events:
			d.handleStream(e)
		case r := <-d.reports:
			d.update(r)
		case r := <-d.outcomes:
			d.handleOutcome(r)
		case err := <-d.sent:
			d.handleSent(err)
		case <-d.timers.retry.C:
			go d.subscribe(inner, d.core.Subscribe(d.Now()))
		case <-d.timers.resend.C:
			d.timers.resend.Reset(d.ResendInterval)
			d.sendUpdates()
		case <-d.timers.idle.C:
			d.fail(fmt.Errorf("being subscribed for %s: %w", d.IdleTimeout, ErrNoTask))
		case <-d.timers.agentLost.C:
			d.fail(fmt.Errorf("waiting for the agent for %s: %w", d.RecoveryTimeout, ErrAgentLost))
		case <-d.timers.ack.C:
			d.handleAckTimeout()
		}
	}
	return d.failure
}

// handleStream handles an event of the agent, or the end of its stream.
func (d *Driver) handleStream(e streamEvent) {
	if e.err != nil {
		d.handleDisconnect(e.err)
		return
	}
	decision := d.core.HandleEvent(e.event)
	switch {
	case decision.Subscribed:
		d.handleSubscribed()
	case decision.Launch != nil:
		d.launch(*decision.Launch)
	case decision.Kill != nil:
		d.kill(*decision.Kill)
	case decision.Message != nil:
		d.Workload.Message(decision.Message)
	case decision.Shutdown:
		d.stop("the agent shuts the executor down")
	case decision.Failure != nil:
		d.fail(decision.Failure)
	}
	for _, id := range decision.Refuse {
		d.Log.Info("Refusing task", "task", id)
		d.core.Refuse(id, newUUID(), d.Now())
	}
	d.sendUpdates()
	if d.workloadEnded && d.core.IsFinished() {
		d.finished = true
	}
}

func (d *Driver) handleSubscribed() {
	d.Log.Info("Subscribed with agent")
	d.subscribed = true
	d.timers.agentLost.Stop()
	if !d.launched {
		d.timers.idle.Reset(d.IdleTimeout)
	}
}

func (d *Driver) launch(t Task) {
	d.Log.Info("Launching task", "task", t.ID)
	d.launched, d.taskGrace = true, t.KillGrace
	d.timers.idle.Stop()
	go func() {
		d.outcomes <- d.Workload.Run(t, func(r Report) { d.reports <- r })
	}()
}

// kill stops the workload with the grace period of the call, or else that of the task.
func (d *Driver) kill(k Kill) {
	grace := k.Grace
	if grace < 0 && d.taskGrace > 0 {
		grace = d.taskGrace
	}
	d.Log.Info("Killing task", "grace", grace)
	if d.core.SupportsKilling() {
		d.update(Report{State: Killing})
	}
	d.Workload.Stop(grace)
}

// handleDisconnect subscribes again, if the executor still has a reason to.
func (d *Driver) handleDisconnect(err error) {
	wasSubscribed := d.subscribed
	if wasSubscribed {
		d.Log.Info("Agent disconnected", "reason", err.Error())
		d.timers.agentLost.Reset(d.RecoveryTimeout)
	}
	d.subscribed = false
	d.timers.idle.Stop()
	switch {
	case d.stopping && d.workloadEnded:
		d.finished = true
	case d.stopping:
	case errors.Is(err, errRefused):
		d.fail(err)
	case wasSubscribed && !d.Checkpoint:
		d.fail(fmt.Errorf("losing the agent without checkpointing: %w", err))
	default:
		d.timers.retry.Reset(d.RetryInterval)
	}
}

// stop stops the workload. The executor ends after it.
func (d *Driver) stop(reason string) {
	d.Log.Info("Leaving", "reason", reason)
	d.stopping = true
	if !d.launched {
		d.finished = true
		return
	}
	// The other half is for what the workload cleans up after its processes have ended.
	d.Workload.Stop(d.ShutdownGrace / 2)
}

// fail stops the workload because of an error, which Run returns.
func (d *Driver) fail(err error) {
	if d.failure == nil {
		d.failure = err
	}
	d.stop(err.Error())
	if d.workloadEnded {
		d.finished = true
	}
}

func (d *Driver) update(r Report) {
	d.Log.Info("Reporting task", "state", r.State, "message", r.Message)
	d.core.Update(r, newUUID(), d.Now())
	d.sendUpdates()
}

// handleOutcome reports how the workload ended, and starts the wait for the acknowledgement.
func (d *Driver) handleOutcome(r Report) {
	d.workloadEnded = true
	d.update(r)
	switch {
	case d.stopping && !d.subscribed:
		d.finished = true
	case d.stopping:
		d.timers.ack.Reset(min(d.AckTimeout, d.ShutdownGrace/4))
	default:
		d.timers.ack.Reset(d.AckTimeout)
	}
}

// handleAckTimeout gives up waiting for the acknowledgement, unless the agent is away and may
// come back for the update.
func (d *Driver) handleAckTimeout() {
	if !d.subscribed && !d.stopping {
		d.timers.ack.Reset(d.AckTimeout)
		return
	}
	d.Log.Info("Leaving without acknowledgement of the last update")
	d.finished = true
}

// newUUID returns a random UUID of version 4.
func newUUID() []byte {
	uuid := make([]byte, 16)
	_, _ = rand.Read(uuid) // it never fails
	uuid[6] = uuid[6]&0x0f | 0x40
	uuid[8] = uuid[8]&0x3f | 0x80
	return uuid
}
