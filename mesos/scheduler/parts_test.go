package scheduler

import (
	"errors"
	"slices"
	"testing"
	"time"

	mesos "github.com/mesos/mesos-go/api/v1/lib"
	schedulerpb "github.com/mesos/mesos-go/api/v1/lib/scheduler"

	"github.com/k8sm/k8sm/mesos/placement"
	"github.com/k8sm/k8sm/mesos/scheduler/demands"
	"github.com/k8sm/k8sm/mesos/scheduler/registration"
	"github.com/k8sm/k8sm/mesos/scheduler/timers"
)

var start = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// newPart returns a core in whose parts a test may look. It is subscribed, and its tasks
// are reconciled.
func newPart(t *testing.T, roles ...string) *Core {
	t.Helper()
	c, err := New(Config{Info: Info{ID: "F1", Name: "k8sm", Roles: roles}})
	if err != nil {
		t.Fatal(err)
	}
	c.Tick(start)
	c.Step(start, &schedulerpb.Event{Type: schedulerpb.Event_SUBSCRIBED, Subscribed: &schedulerpb.Event_Subscribed{
		FrameworkID: &mesos.FrameworkID{Value: "F1"},
	}})
	if !c.canLaunch() {
		t.Fatalf("nothing can be launched: %+v", c.State())
	}
	take(c)
	return c
}

// take returns the Ready of the core, and advances.
func take(c *Core) Ready {
	r := c.Ready()
	c.Advance()
	return r
}

func offersOf(role string, ids ...string) []mesos.Offer {
	var out []mesos.Offer
	for _, id := range ids {
		alloc := &mesos.Resource_AllocationInfo{Role: &role}
		out = append(out, mesos.Offer{
			ID: mesos.OfferID{Value: id}, AgentID: mesos.AgentID{Value: "S-" + id}, Hostname: "host", AllocationInfo: alloc,
			Resources: []mesos.Resource{{Name: "cpus", Type: mesos.SCALAR.Enum(), Scalar: &mesos.Value_Scalar{Value: 4}, AllocationInfo: alloc}},
		})
	}
	return out
}

func demandFor(id, role string) placement.Demand {
	return placement.Demand{ID: id, Group: "general", Role: role, Resources: placement.Resources{CPUs: 2}}
}

func TestEveryTimerHasAHandler(t *testing.T) {
	t.Parallel()
	for kind, handle := range onTimer {
		if handle == nil {
			t.Errorf("a timer of kind %d would panic when it expires", kind)
		}
	}
}

// An event without its content must not panic: masters may send anything.
func TestEveryHandlerTakesAnEmptyEvent(t *testing.T) {
	t.Parallel()
	for kind, handle := range onEvent {
		handle(newPart(t, "a"), start, &schedulerpb.Event{Type: kind})
	}
}

func TestReadyStaysTheSameUntilAdvance(t *testing.T) {
	t.Parallel()
	var o output
	if o.hasReady() {
		t.Error("there is something to do before anything was asked for")
	}
	o.storeID("F1")
	o.setChanged(true)
	o.setChanged(false) // nothing takes a change back
	first := o.ready()
	o.prepare(Intent{TaskID: "n1"})
	if again := o.ready(); again.StoreID != "F1" || !again.Changed || len(again.Intents) > 0 || first.StoreID != again.StoreID {
		t.Errorf("before Advance it is %+v", again)
	}
	o.advance()
	if next := o.ready(); next.StoreID != "" || next.Changed || len(next.Intents) != 1 {
		t.Errorf("after Advance it is %+v", next)
	}
	o.advance()
	if o.hasReady() {
		t.Error("there is something to do although all is done")
	}
}

func TestEachFieldOfReadyCountsAsWork(t *testing.T) {
	t.Parallel()
	for name, fill := range map[string]func(*output){
		"disconnect": func(o *output) { o.disconnect() },
		"store ID":   func(o *output) { o.storeID("F1") },
		"subscribe":  func(o *output) { o.subscribe(&Call{}) },
		"prepare":    func(o *output) { o.prepare(Intent{}) },
		"record":     func(o *output) { o.record(TaskStatus{}) },
		"send":       func(o *output) { o.send(&Call{}) },
		"changed":    func(o *output) { o.setChanged(true) },
	} {
		var o output
		if fill(&o); !o.hasReady() {
			t.Errorf("%s: there is nothing to do", name)
		}
	}
}

func TestDroppedCallsAreNotHandedOut(t *testing.T) {
	t.Parallel()
	var o output
	handed, dropped := &Call{}, &Call{}
	o.send(handed)
	o.ready()
	o.send(dropped)
	if got := o.dropCalls(); len(got) != 1 || got[0] != dropped {
		t.Errorf("dropped are %v, want the call that the caller does not have", got)
	}
	o.advance()
	if o.hasReady() {
		t.Error("a dropped call is to be sent")
	}
}

func TestStoringTheIDIsRepeatedLater(t *testing.T) {
	t.Parallel()
	clock := timers.NewQueue()
	s := registration.NewIDStore(Backoff{Initial: time.Second, Max: time.Minute}, false, clock)
	for i, want := range []time.Duration{time.Second, 2 * time.Second, 4 * time.Second} {
		if s.Failed(start); s.IsStored() || !clock.Has(timers.StoreFrameworkID, "") || !clock.Next().Equal(start.Add(want)) {
			t.Errorf("failure %d: the next attempt is at %s, want after %s", i+1, clock.Next(), want)
		}
	}
	s.Stored()
	s.Failed(start)
	if !s.IsStored() || !clock.Next().Equal(start.Add(time.Second)) {
		t.Error("failures before a success still count, or the ID is not durable any more")
	}
}

func newBook(canLaunch bool) (*demandBook, *timers.Queue) {
	clock := timers.NewQueue()
	timing := Timing{}.WithDefaults()
	return newDemandBook(&timing, []string{"a", "b"}, func() bool { return canLaunch }, clock), clock
}

func TestRolesReviveAndSuppressWithTheirDemands(t *testing.T) {
	t.Parallel()
	b, clock := newBook(true)
	first, second := b.Add(demandFor("n1", "a")), b.Add(demandFor("n2", "a"))
	b.wait(start, first)
	b.wait(start, second)
	if !clock.Has(timers.Revive, "a") || clock.Has(timers.Revive, "b") {
		t.Error("offers do not come for what is wanted, or come for nothing")
	}
	b.launch(start, first)
	if !clock.Has(timers.Revive, "a") || clock.Has(timers.Suppress, "a") {
		t.Error("offers end although a demand waits")
	}
	b.withdraw(start, second)
	if clock.Has(timers.Revive, "a") || !clock.Has(timers.Suppress, "a") {
		t.Error("offers keep coming although nothing waits")
	}
	b.wait(start, b.Add(demandFor("n3", "a")))
	if clock.Has(timers.Suppress, "a") || b.waitingCount() != 1 {
		t.Errorf("offers end although a new demand waits; %d are counted", b.waitingCount())
	}
}

func TestRolesWaitUntilTasksMayBeLaunched(t *testing.T) {
	t.Parallel()
	b, clock := newBook(false)
	d := b.Add(demandFor("n1", "a"))
	b.wait(start, d)
	b.withdraw(start, d)
	if clock.Len() > 0 {
		t.Error("REVIVE or SUPPRESS is due although nothing may be launched")
	}
}

func TestDemandsInForeignRolesAreNotPlaced(t *testing.T) {
	t.Parallel()
	b, clock := newBook(true)
	foreign := b.Add(demandFor("n1", "foreign"))
	b.wait(start, foreign)
	b.wait(start, b.Add(demandFor("n2", "a")))
	var ids []string
	for d := range b.placeable() {
		ids = append(ids, d.ID)
	}
	if !slices.Equal(ids, []string{"n2"}) || b.waitingCount() != 1 || clock.Has(timers.Revive, "foreign") {
		t.Errorf("placeable are %v, %d are counted", ids, b.waitingCount())
	}
	b.withdraw(start, foreign) // must not ask for SUPPRESS of a role that is not ours
	if clock.Has(timers.Suppress, "foreign") {
		t.Error("a foreign role is suppressed")
	}
}

func TestFailedGroupIsRetriedInItsRole(t *testing.T) {
	t.Parallel()
	b, clock := newBook(true)
	b.wait(start, b.Add(demandFor("n1", "a")))
	if b.retryGroup(start, "general") {
		t.Error("a group is retried that never failed")
	}
	b.backoff.Failed(start, "general", "a", "conflict")
	b.roles.Revive(start, "a", "")
	b.roles.Revived(start, "a")
	if !b.retryGroup(start, "general") || b.roles.Get("a").Revives() != 0 || clock.Next().After(start.Add(time.Second)) {
		t.Errorf("the next REVIVE is at %s", clock.Next())
	}
}

func TestConstraintsOfARoleAreThoseOfItsDemands(t *testing.T) {
	t.Parallel()
	b, _ := newBook(true)
	d := demandFor("n1", "a")
	d.Constraints = []placement.Constraint{{Attribute: "rack", Operator: placement.Exists}}
	b.wait(start, b.Add(d))
	a, other := b.roles.Get("a"), b.roles.Get("b")
	if b.constraintsOf(a) == "" || b.constraintsOf(other) != "" {
		t.Error("a role without demands has constraints, or one with constrained demands has none")
	}
	for range 3 {
		b.roles.Revived(start, "a")
	}
	if b.constraintsOf(a) != "" {
		t.Error("after unanswered REVIVEs offers are still constrained")
	}
}

func TestUnwantedOffersAreDeclined(t *testing.T) {
	t.Parallel()
	c := newPart(t, "a", "b")
	l := c.launcher
	c.book.wait(start, c.book.Add(demandFor("n1", "a")))
	c.book.roles.Revive(start, "a", "")
	l.offersArrived(start, slices.Concat(offersOf("a", "O1"), offersOf("b", "O2"), offersOf("foreign", "O3"), offersOf("a", "O1")), false)
	l.offersArrived(start, offersOf("a", "O4"), true) // while the framework is torn down
	if l.offers.Len() != 1 || l.offers.Get("O1") == nil || l.counters.Declined != 3 {
		t.Errorf("%d offers are held, %d are declined", l.offers.Len(), l.counters.Declined)
	}
}

// place has a demand matched to an offer, and returns its launch.
func place(t *testing.T, c *Core, id, offerID string) {
	t.Helper()
	c.book.wait(start, c.book.Add(demandFor(id, "a")))
	c.launcher.offersArrived(start, offersOf("a", offerID), false)
	c.launcher.plan(start)
	if d := c.book.Get(id); d.State != demands.Launching {
		t.Fatalf("%s was not matched: %+v", id, d.Explanation())
	}
}

func TestLaunchOccupiesItsAgentUntilItIsAbandoned(t *testing.T) {
	t.Parallel()
	c := newPart(t, "a")
	place(t, c, "n1", "O1")
	if n := c.occupancy.Counts()["general"]["S-O1"]; n != 1 {
		t.Errorf("%d tasks are counted for an intent", n)
	}
	if !c.launcher.prepared(start, "n1", Payload{}, errors.New("conflict")) || c.launcher.prepared(start, "n1", Payload{}, nil) {
		t.Error("an intent is not answered exactly once")
	}
	if n := c.occupancy.Counts()["general"]["S-O1"]; n != 0 || c.counters.Dropped != 1 {
		t.Errorf("%d tasks are counted, %d are dropped", n, c.counters.Dropped)
	}
	if d := c.book.Get("n1"); d == nil || d.State != demands.Retiring {
		t.Errorf("the demand is %+v, want one that waits for the record", d)
	}
	r := take(c)
	if len(r.Statuses) != 1 || r.Statuses[0].State != TaskDropped || r.Statuses[0].Reason != ReasonPrepareFailed || r.Statuses[0].Message != "conflict" {
		t.Errorf("recorded are %+v", r.Statuses)
	}
}

func TestAbandonedDemandIsGoneOnceItsIDIsRecorded(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		err   error
		stays bool
	}{
		"the store recorded the end: the ID is used up": {},
		"the store has no record: the ID is free":       {err: ErrUnknownTask, stays: true},
	} {
		c := newPart(t, "a")
		place(t, c, "n1", "O1")
		c.launcher.prepared(start, "n1", Payload{}, errors.New("conflict"))
		take(c)
		c.Recorded(start, "n1", tc.err)
		if d := c.book.Get("n1"); (d != nil) != tc.stays || c.book.usedIDs.Has("n1") == tc.stays {
			t.Errorf("%s: the demand is %+v, its ID is used: %v", name, d, c.book.usedIDs.Has("n1"))
		}
		if c.tracker.tasks.Get("n1") != nil {
			t.Errorf("%s: a task is left of a launch that never was", name)
		}
	}
}

func TestBatchThatTimesOutGivesItsOffersBack(t *testing.T) {
	t.Parallel()
	c := newPart(t, "a")
	place(t, c, "n1", "O1")
	c.launcher.timedOut(start.Add(5*time.Second), "O1")
	if c.counters.Expired != 1 || c.launcher.offers.Len() != 0 || c.launcher.launches.Batch("O1") != nil {
		t.Errorf("%d offers expired, %d are held", c.counters.Expired, c.launcher.offers.Len())
	}
}

func TestAcknowledgementsNeedAStreamAndAUUID(t *testing.T) {
	t.Parallel()
	c := newPart(t, "a")
	k := c.tracker
	k.acknowledge(&TaskStatus{TaskID: "n1", AgentID: "S1"})
	if c.HasReady() {
		t.Error("a status without a UUID is acknowledged")
	}
	k.acknowledge(&TaskStatus{TaskID: "n1", AgentID: "S1", UUID: []byte("u1")})
	if calls := take(c).Calls; len(calls) != 1 || calls[0].Type != schedulerpb.Call_ACKNOWLEDGE || calls[0].FrameworkID.GetValue() != "F1" {
		t.Errorf("the calls are %v", calls)
	}
	c.connection.Lost(start)
	k.acknowledge(&TaskStatus{TaskID: "n1", AgentID: "S1", UUID: []byte("u1")})
	if c.HasReady() {
		t.Error("a status is acknowledged without a stream")
	}
}

func TestMessagesReachOnlyTasksThatRun(t *testing.T) {
	t.Parallel()
	c := newPart(t, "a")
	k := c.tracker
	k.tasks.Note("n1", "S1")
	k.tasks.Note("unassigned", "")
	k.tasks.Note("over", "S1").IsOver = true
	k.kill(start, k.tasks.Note("killed", "S1"))
	for id, want := range map[string]bool{"n1": true, "unassigned": false, "over": false, "killed": false, "unknown": false} {
		if got := k.message(id, []byte("data")); got != want {
			t.Errorf("a message to %s is sent: %v", id, got)
		}
	}
	c.connection.Lost(start)
	if k.message("n1", nil) {
		t.Error("a message is sent without a stream")
	}
}

func TestLaunchThatWasNotSentEnds(t *testing.T) {
	t.Parallel()
	c := newPart(t, "a")
	place(t, c, "n1", "O1")
	c.launcher.prepared(start, "n1", Payload{}, nil)
	if c.calls.Len() == 0 || c.tracker.tasks.Get("n1") == nil {
		t.Fatal("nothing is launched")
	}
	c.lose(start, MasterUnreachable, "EOF")
	r := take(c)
	if len(r.Statuses) != 1 || r.Statuses[0].TaskID != "n1" || r.Statuses[0].State != TaskDropped || r.Statuses[0].Reason != ReasonInvalidOffers {
		t.Errorf("recorded are %+v", r.Statuses)
	}
	if len(r.Calls) > 0 || c.calls.Len() > 0 {
		t.Error("calls of a stream that ended are to be sent")
	}
}
