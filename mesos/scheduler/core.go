package scheduler

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"
)

// Config of a core.
type Config struct {
	Info Info
	// Tasks that may be alive, from the durable records.
	Tasks []Task
	// Seed of the jitter.
	Seed uint64
	// Timing; the zero value takes the defaults.
	Timing Timing
}

// Ready is what the caller does now. The order of the fields is the order of doing:
// what a field says has been done, or has been queued where its order is kept, before
// the next one is begun.
type Ready struct {
	// Disconnect: close the stream. Nothing more is sent or read on it. No call to
	// Disconnected follows: the core knows.
	Disconnect bool
	// StoreID is a framework ID to store; empty for none. Answer with IDStored.
	StoreID string
	// Subscribe is to be sent on a new stream, after the old one is closed; nil for
	// none. Answer with Step for each event, or with Disconnected.
	Subscribe *Call
	// Intents to prepare, in any order and at once. Answer each with Prepared.
	Intents []Intent
	// Statuses to record, in any order and at once. Answer each with Recorded. There is
	// never more than one of a task.
	Statuses []TaskStatus
	// Calls to send on the current stream, in this order; those for different agents
	// may overtake each other, but none overtakes a RECONCILE or is overtaken by it.
	// Those not sent when the stream ends are dropped. Answer UPDATE_FRAMEWORK and
	// TEARDOWN with CallAccepted, and what the master turns down with CallRefused.
	Calls []*Call
	// Changed: State, or what Explain or Maintenance says, is not what it was.
	Changed bool
}

func (r *Ready) empty() bool {
	return !r.Disconnect && r.StoreID == "" && r.Subscribe == nil && len(r.Intents) == 0 &&
		len(r.Statuses) == 0 && len(r.Calls) == 0 && !r.Changed
}

// phase of the conversation.
type phase uint8

const (
	down       phase = iota // no stream; the agenda says when to try
	connecting              // SUBSCRIBE is on its way
	up                      // subscribed
	ended                   // final
)

// Core is the state machine. It is not safe for concurrent use.
type Core struct {
	info   Info
	timing Timing
	rand   *rand.Rand
	agenda agenda
	state  State
	counts Counters

	out    Ready
	handed *Ready // given to the caller, and not yet advanced

	subscription
	registration
	demands
	offers
	capacity
	launches
	maintenance
	tasks
	sending
}

// New checks the configuration and makes a core that subscribes at the first Tick.
func New(cfg Config) (*Core, error) {
	if err := cfg.Info.validate(); err != nil {
		return nil, err
	}
	c := &Core{
		info:   cfg.Info,
		timing: cfg.Timing.withDefaults(),
		rand:   rand.New(rand.NewPCG(cfg.Seed, 0)),
		agenda: newAgenda(),
		state:  State{FrameworkID: cfg.Info.ID, Reason: Connecting, Message: "no master has been tried yet"},
	}
	c.idStored = c.info.ID != ""
	c.demands = newDemands()
	for _, name := range c.info.Roles {
		c.role(name).member = true
	}
	c.repeated = map[string]bool{}
	c.offers = newOffers()
	c.capacity = newCapacity()
	c.launches = newLaunches()
	c.maintenance = newMaintenance()
	c.room = c.leastRoom()
	c.tasks = newTasks()
	c.tokens = float64(c.timing.CallBurst)
	for _, t := range cfg.Tasks {
		if err := c.restore(t); err != nil {
			return nil, err
		}
	}
	c.agenda.set(dutySubscribe, "", time.Unix(0, 0)) // at the first Tick
	return c, nil
}

func (i Info) validate() error {
	if i.Name == "" {
		return errors.New("the framework has no name")
	}
	if len(i.Roles) == 0 {
		return errors.New("the framework has no roles")
	}
	seen := map[string]bool{}
	for _, r := range i.Roles {
		if r == "" || seen[r] {
			return fmt.Errorf("role %q is empty or named twice", r)
		}
		seen[r] = true
	}
	if i.FailoverTimeout < 0 {
		return fmt.Errorf("a failover timeout of %s is none", i.FailoverTimeout)
	}
	if i.ID != "" {
		return validateID(i.ID)
	}
	return nil
}

// validateID checks what Mesos demands of an ID.
func validateID(id string) error {
	switch {
	case id == "":
		return errors.New("an ID is empty")
	case len(id) > 255:
		return fmt.Errorf("ID %.20q… has %d characters, at most 255 are allowed", id, len(id))
	case id == "." || id == "..", strings.ContainsFunc(id, func(r rune) bool {
		return r == '/' || r == '\\' || r < ' ' || r == 127
	}):
		return fmt.Errorf("ID %q holds what Mesos allows in none", id)
	}
	return nil
}

// Tick does what is due.
func (c *Core) Tick(now time.Time) {
	for {
		a, ok := c.agenda.take(now)
		if !ok {
			break
		}
		c.attend(now, a)
	}
	c.settle(now)
}

// NextTick is when Tick is to be called next; zero for never.
func (c *Core) NextTick() time.Time { return c.agenda.next() }

// attend does one thing that is due.
func (c *Core) attend(now time.Time, a appointment) {
	switch a.duty {
	case dutySubscribe:
		c.subscribe()
	case dutySilence:
		c.checkSilence(now)
	case dutyStoreID:
		c.out.StoreID = c.info.ID
	case dutyHold, dutyBatch, dutyPlan, dutyRetry:
		c.attendOffers(now, a)
	case dutyRecord, dutyPatience, dutyAsk, dutyImplicit, dutyKill:
		c.attendTasks(now, a)
	case dutyRevive:
		c.revive(now, a.key)
	case dutySuppress:
		c.suppress(now, a.key)
	case dutyWindow:
		c.review(now, a.key)
	case dutyForget:
		c.forgetStale(now)
	case dutyCalls:
		// settle does it
	}
}

func (c *Core) attendOffers(now time.Time, a appointment) {
	switch a.duty {
	case dutyHold:
		c.declineStale(now)
	case dutyBatch:
		c.closeBatch(now, a.key)
	case dutyPlan:
		c.plan(now)
	case dutyRetry:
		c.retry(now, a.key)
	}
}

func (c *Core) attendTasks(now time.Time, a appointment) {
	switch a.duty {
	case dutyRecord:
		c.recordNext(c.tasks.known[a.key])
	case dutyPatience:
		c.finishReconciliation(now)
	case dutyAsk:
		c.ask(now, a.key)
	case dutyImplicit:
		c.reconcileImplicitly(now)
	case dutyKill:
		c.sendKill(now, c.tasks.known[a.key])
	}
}

// settle ends every input: what was collected meanwhile becomes calls.
func (c *Core) settle(now time.Time) {
	c.sendRound()
	c.flush(now)
}

// HasReady says that there is something for the caller to do.
func (c *Core) HasReady() bool { return c.handed != nil || !c.out.empty() }

// Ready is what the caller does now. It stays the same until Advance.
func (c *Core) Ready() Ready {
	if c.handed == nil {
		r := c.out
		c.out = Ready{}
		c.handed = &r
	}
	return *c.handed
}

// Advance says that all of the last Ready was done, or queued in its order.
func (c *Core) Advance() { c.handed = nil }

// State of the registration.
func (c *Core) State() State { return c.state }

func (c *Core) setState(s State) {
	s.Divergence = c.kept()
	if s != c.state {
		c.state = s
		c.out.Changed = true
	}
}

// Counters only grow.
type Counters struct {
	Accepted  uint64 // offers
	Declined  uint64 // offers
	Rescinded uint64 // offers
	Expired   uint64 // offers whose intents were not prepared in time
	Voided    uint64 // offers lost with a stream
	Malformed uint64 // offers that could not be read
	Launched  uint64 // tasks
	Dropped   uint64 // tasks that were placed and not launched
	Plans     uint64 // passes of placement
}

// Counters so far.
func (c *Core) Counters() Counters { return c.counts }
