package scheduler

import (
	"time"

	schedulerpb "github.com/mesos/mesos-go/api/v1/lib/scheduler"

	"github.com/k8sm/k8sm/mesos/scheduler/agents"
	"github.com/k8sm/k8sm/mesos/scheduler/capacity"
	"github.com/k8sm/k8sm/mesos/scheduler/connection"
	"github.com/k8sm/k8sm/mesos/scheduler/launches"
	"github.com/k8sm/k8sm/mesos/scheduler/maintenance"
	"github.com/k8sm/k8sm/mesos/scheduler/offers"
	"github.com/k8sm/k8sm/mesos/scheduler/outgoing"
	"github.com/k8sm/k8sm/mesos/scheduler/quota"
	"github.com/k8sm/k8sm/mesos/scheduler/registration"
	"github.com/k8sm/k8sm/mesos/scheduler/timers"
)

// Config of a core.
type Config struct {
	Info Info
	// Tasks that may be alive, from the durable records.
	Tasks []Task
	// AgentFailures are the failures of agents that a core before this one remembered.
	AgentFailures []AgentFailure
	// Seed of the jitter.
	Seed uint64
	// Timing; the zero value takes the defaults.
	Timing Timing
}

// Core is the state machine. It is not safe for concurrent use. It owns the published State
// alone; everything else belongs to one of its parts, between which it routes.
type Core struct {
	timing   Timing
	state    State
	counters Counters
	out      output
	timers   *timers.Queue
	calls    *outgoing.Queue

	connection   *connection.Connection
	registration *registration.Registration
	idStore      *registration.IDStore
	book         *demandBook
	launcher     *launcher
	tracker      *taskTracker
	schedule     *maintenance.Schedule
	draining     *maintenance.Draining
	observations *capacity.Observations
	occupancy    *capacity.Occupancy
	// quotas are the headrooms of the roles whose quota has a limit, as last asked for.
	quotas   map[string]quota.Headroom
	failures *agents.History
}

// New checks the configuration and makes a core that subscribes at the first Tick.
func New(cfg Config) (*Core, error) {
	if err := cfg.Info.Validate(); err != nil {
		return nil, err
	}
	q := timers.NewQueue()
	c := &Core{
		timing: cfg.Timing.WithDefaults(),
		state:  State{FrameworkID: cfg.Info.ID, Reason: Connecting, Message: "no master has been tried yet"},
		timers: q,
	}
	t := &c.timing
	c.calls = outgoing.NewQueue(q, t.CallsPerSecond, t.CallBurst)
	c.calls.SetFrameworkID(cfg.Info.ID)
	c.connection = connection.New(connection.Config{
		Delay: t.Subscribe, StableAfter: t.StableAfter, MissedHeartbeats: t.MissedHeartbeats, Seed: cfg.Seed,
	}, q)
	c.registration = registration.New(cfg.Info)
	c.idStore = registration.NewIDStore(t.Store, cfg.Info.ID != "", q)
	c.schedule = maintenance.NewSchedule(maintenance.Config{OfferInterval: t.ImplicitInterval, RescindDelay: t.FailureDelay}, q)
	c.draining = maintenance.NewDraining(t.DeclineFilter, q)
	c.observations = capacity.NewObservations(t.DeclineFilter, q)
	c.occupancy = capacity.NewOccupancy()
	c.failures = agents.NewHistory(q, cfg.AgentFailures)
	c.book = newDemandBook(t, cfg.Info.Roles, c.canLaunch, q)
	c.tracker = newTaskTracker(c, c.occupancy)
	c.launcher = newLauncher(c)
	for _, task := range cfg.Tasks {
		if err := c.tracker.restore(task); err != nil {
			return nil, err
		}
		c.failures.Restore(task.ID, agents.Place{AgentID: task.AgentID, Hostname: task.Hostname, Group: task.Group}, task.State)
	}
	return c, nil
}

func newLauncher(c *Core) *launcher {
	t := &c.timing
	return &launcher{
		timing: t, timers: c.timers, out: &c.out, calls: c.calls, counters: &c.counters,
		book: c.book, registration: c.registration, occupancy: c.occupancy, observations: c.observations,
		schedule: c.schedule, draining: c.draining, tracker: c.tracker, failures: c.failures,
		offers: offers.New(t.OfferHold, c.timers), launches: launches.New(t.PrepareTimeout, c.timers),
		limiter: launches.NewLimiter(t.MaxPreparing, t.PrepareTimeout),
	}
}

// onTimer lists what happens when a timer of each kind expires. The key is the timer's.
var onTimer = [timers.Kinds]func(c *Core, now time.Time, key string){
	timers.Subscribe:           func(c *Core, _ time.Time, _ string) { c.subscribe() },
	timers.CheckHeartbeat:      func(c *Core, now time.Time, _ string) { c.checkHeartbeat(now) },
	timers.StoreFrameworkID:    func(c *Core, _ time.Time, _ string) { c.out.storeID(c.registration.ID()) },
	timers.RecordStatus:        func(c *Core, _ time.Time, id string) { c.tracker.recordNext(c.tracker.tasks.Get(id)) },
	timers.DeclineOffers:       func(c *Core, now time.Time, _ string) { c.launcher.declineStale(now) },
	timers.SendBatch:           func(c *Core, now time.Time, id string) { c.launcher.timedOut(now, id) },
	timers.Plan:                func(c *Core, now time.Time, _ string) { c.launcher.plan(now) },
	timers.RetryGroup:          func(c *Core, now time.Time, group string) { c.retryGroup(now, group) },
	timers.ReviewAgent:         func(c *Core, now time.Time, id string) { c.reviewAgent(now, id) },
	timers.ReconcileTimeout:    func(c *Core, now time.Time, _ string) { c.finishReconciliation(now) },
	timers.ReconcileTask:       func(c *Core, now time.Time, id string) { c.tracker.ask(now, id) },
	timers.ReconcileImplicitly: func(c *Core, now time.Time, _ string) { c.reconcileImplicitly(now) },
	timers.Kill:                func(c *Core, now time.Time, id string) { c.tracker.sendKill(now, c.tracker.tasks.Get(id)) },
	timers.Revive:              func(c *Core, now time.Time, role string) { c.revive(now, role) },
	timers.Suppress:            func(c *Core, now time.Time, role string) { c.suppress(now, role) },
	timers.ReviewMaintenance:   func(c *Core, now time.Time, id string) { c.launcher.reviewMaintenance(now, id) },
	timers.EndDraining:         func(c *Core, now time.Time, _ string) { c.launcher.drainingEnded(now) },
	timers.ExpireObservations:  func(c *Core, now time.Time, _ string) { c.observations.Expire(now) },
	timers.SendCalls:           func(*Core, time.Time, string) {}, // settle sends them
}

// onEvent lists what happens at an event of each type. Other events, such as HEARTBEAT, only
// show that the master is alive.
var onEvent = map[schedulerpb.Event_Type]func(c *Core, now time.Time, e *schedulerpb.Event){
	schedulerpb.Event_SUBSCRIBED: func(c *Core, now time.Time, e *schedulerpb.Event) { c.subscribed(now, e.GetSubscribed()) },
	schedulerpb.Event_ERROR:      func(c *Core, now time.Time, e *schedulerpb.Event) { c.failed(now, e.GetError().GetMessage()) },
	schedulerpb.Event_OFFERS: func(c *Core, now time.Time, e *schedulerpb.Event) {
		c.launcher.offersArrived(now, e.GetOffers().GetOffers(), c.connection.IsTearingDown())
	},
	schedulerpb.Event_RESCIND: func(c *Core, now time.Time, e *schedulerpb.Event) {
		c.launcher.rescinded(now, e.GetRescind().GetOfferID().Value)
	},
	schedulerpb.Event_INVERSE_OFFERS: func(c *Core, now time.Time, e *schedulerpb.Event) {
		c.inverseOffersArrived(now, e.GetInverseOffers().GetInverseOffers())
	},
	schedulerpb.Event_RESCIND_INVERSE_OFFER: func(c *Core, now time.Time, e *schedulerpb.Event) {
		c.schedule.Rescind(now, e.GetRescindInverseOffer().GetInverseOfferID().Value)
	},
	schedulerpb.Event_UPDATE:  func(c *Core, now time.Time, e *schedulerpb.Event) { c.taskUpdated(now, e.GetUpdate()) },
	schedulerpb.Event_FAILURE: func(c *Core, now time.Time, e *schedulerpb.Event) { c.agentFailed(now, e.GetFailure()) },
}

// Tick handles the timers that have expired.
func (c *Core) Tick(now time.Time) {
	for {
		t, ok := c.timers.Pop(now)
		if !ok {
			break
		}
		onTimer[t.Kind](c, now, t.Key)
	}
	c.settle(now)
}

// NextTick is when Tick is to be called next; zero for never.
func (c *Core) NextTick() time.Time { return c.timers.Next() }

// settle ends every input: what was collected meanwhile becomes calls.
func (c *Core) settle(now time.Time) {
	c.tracker.sendRound()
	if c.connection.IsSubscribed() {
		c.out.send(c.calls.Take(now)...)
	}
}

// HasReady reports whether there is something for the caller to do.
func (c *Core) HasReady() bool { return c.out.hasReady() }

// Ready is what the caller does now. It stays the same until Advance.
func (c *Core) Ready() Ready { return c.out.ready() }

// Advance is called when all of the last Ready was done, or queued in its order.
func (c *Core) Advance() { c.out.advance() }

// State of the registration.
func (c *Core) State() State { return c.state }

func (c *Core) setState(s State) {
	s.Divergence, s.AgentFailures = c.registration.Divergence(), c.failures.Version()
	if s != c.state {
		c.state = s
		c.out.setChanged(true)
	}
}

// Counters so far.
func (c *Core) Counters() Counters { return c.counters }

// LastIgnored says why the last status update, or the last offer, was ignored; empty if none
// was.
func (c *Core) LastIgnored() string { return c.tracker.lastIgnored }

// canLaunch reports whether tasks may be launched now.
func (c *Core) canLaunch() bool {
	return c.connection.IsSubscribed() && c.state.Reconciled && c.idStore.IsStored() && !c.connection.IsTearingDown()
}
