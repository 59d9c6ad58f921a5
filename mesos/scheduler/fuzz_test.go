package scheduler_test

import (
	"errors"
	"math"
	"slices"
	"testing"
	"time"

	mesos "github.com/mesos/mesos-go/api/v1/lib"
	schedulerpb "github.com/mesos/mesos-go/api/v1/lib/scheduler"

	"github.com/k8sm/k8sm/mesos/placement"
	"github.com/k8sm/k8sm/mesos/scheduler"
)

// FuzzStep plays scripts: every byte chooses an input, or a word in it. Events come in
// any order and with any content, answers late, twice or never. The core may give up a
// stream; it must not panic, nor break what it promises.
func FuzzStep(f *testing.F) {
	subscribed := []byte{1, 0, 1, 0, 4, 0, 0, 0, 1, 0, 0, 0, 12, 0} // as F1; n0 runs; the ID is stored
	placed := slices.Concat(subscribed, []byte{14, 2, 0, 0, 1, 14, 1, 0, 0, 0, 0, 30, 13, 1, 0, 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 5})
	launched := slices.Concat(placed, []byte{10, 1, 0, 0, 5})
	for _, script := range [][]byte{
		subscribed, placed, launched,
		slices.Concat(launched, []byte{4, 0, 1, 0, 1, 1, 0, 0, 11, 1, 0, 14, 1, 3, 0, 0, 200, 4, 0, 1, 0, 4, 2, 0, 0, 11, 1, 0}), // runs, is killed
		slices.Concat(launched, []byte{4, 0, 1, 0, 9, 0, 1, 0, 11, 1, 0, 14, 2, 0, 0, 0, 0, 200}),                                // drops while draining
		slices.Concat(placed, []byte{3, 1, 10, 1, 0, 11, 1, 1, 0, 50}),                                                           // rescinded
		slices.Concat(placed, []byte{10, 1, 1, 11, 1, 1, 0, 50, 9, 0, 200}),                                                      // cannot be prepared
		slices.Concat(placed, []byte{15, 2, 2, 0, 9, 13, 0, 0, 15, 2, 1, 13, 0, 1, 15, 2, 1, 9, 0, 200, 1, 0, 1, 0, 13, 0, 1}),   // leaves its role
		slices.Concat(subscribed, []byte{7, 0, 0, 1, 0, 0, 1, 0, 5, 7, 3, 1, 0, 200}),                                            // inverse offers
		slices.Concat(subscribed, []byte{9, 0, 100, 1, 0, 1, 1, 15, 0, 9, 0, 100, 1, 0, 1, 0, 13, 0, 0}),                         // torn down
		slices.Concat(subscribed, []byte{14, 2, 0, 0, 1, 0, 30, 13, 1, 1, 0, 100}),                                               // offer constraints, refused
		{6, 1}, {1, 0, 0, 0}, slices.Concat(subscribed, []byte{6, 0}),
	} {
		f.Add(script)
	}
	for _, e := range []*schedulerpb.Event{
		offersEvent(mesos.Offer{ID: mesos.OfferID{Value: "O1"}}), running(1, "u1"), {Type: schedulerpb.Event_RESCIND},
	} {
		b, err := e.Marshal()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(slices.Concat(subscribed, []byte{8, byte(len(b))}, b))
	}
	f.Fuzz(func(t *testing.T, script []byte) {
		newScripted(t, script).play()
	})
}

// scripted is a caller of the core that takes its inputs from a script.
type scripted struct {
	t      *testing.T
	script []byte
	core   *scheduler.Core
	now    time.Time

	stored   bool
	intents  []string                        // not answered
	statuses map[string]scheduler.TaskStatus // not answered, by task
	calls    []*scheduler.Call               // the last few
	prepared map[string]bool
	recorded map[string]bool // by UUID
}

func newScripted(t *testing.T, script []byte) *scripted {
	t.Helper()
	core, err := scheduler.New(scheduler.Config{
		Info:  scheduler.Info{Name: "k8sm", Roles: []string{"k8sm"}},
		Tasks: []scheduler.Task{{ID: "n0", AgentID: "S1", Group: "general", State: scheduler.TaskRunning}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return &scripted{
		t: t, script: script, core: core, now: epoch,
		statuses: map[string]scheduler.TaskStatus{}, prepared: map[string]bool{}, recorded: map[string]bool{},
	}
}

func (s *scripted) play() {
	s.advance(0)
	for n := 0; len(s.script) > 0 && n < 2000; n++ {
		s.act(s.next())
		s.process()
	}
	s.advance(time.Hour)
}

// next byte of the script; 0 at its end.
func (s *scripted) next() byte {
	if len(s.script) == 0 {
		return 0
	}
	b := s.script[0]
	s.script = s.script[1:]
	return b
}

func choose[T any](s *scripted, from ...T) T { return from[int(s.next())%len(from)] }

func (s *scripted) act(op byte) {
	acts := []func(){
		func() { s.advance(time.Duration(s.next()) * 40 * time.Millisecond) },
		s.subscribed, s.offers,
		func() {
			s.step(&schedulerpb.Event{Type: schedulerpb.Event_RESCIND, Rescind: &schedulerpb.Event_Rescind{OfferID: s.offerID()}})
		},
		s.update, s.failure,
		func() {
			text := choose(s, "Framework failed over", "Framework has been removed", "A role k8sm has an invalid 'AttributeConstraint'", "")
			s.step(&schedulerpb.Event{Type: schedulerpb.Event_ERROR, Error: &schedulerpb.Event_Error{Message: text}})
		},
		s.inverse, s.raw,
		func() { s.core.Disconnected(s.now, scheduler.MasterUnreachable, "EOF") },
		s.prepare, s.record,
		func() { s.stored = true; s.core.IDStored(s.now, choose(s, nil, errors.New("timeout"))) },
		s.answer, s.demand, s.change,
	}
	acts[int(op)%len(acts)]()
}

func (s *scripted) step(e *schedulerpb.Event) { s.core.Step(s.now, e) }

// advance lets time pass: the core must come to rest at any time.
func (s *scripted) advance(d time.Duration) {
	until := s.now.Add(d)
	for range 5000 {
		w := s.core.NextTick()
		if d > 0 && (w.IsZero() || w.After(until)) {
			s.now = until
			return
		}
		if w.After(s.now) {
			s.now = w
		}
		s.core.Tick(s.now)
		s.process()
		if d == 0 {
			return
		}
	}
	s.t.Fatalf("the core wants to be woken at %s again and again", s.core.NextTick().Sub(epoch))
}

func (s *scripted) subscribed() {
	sub := &schedulerpb.Event_Subscribed{HeartbeatIntervalSeconds: ptr(choose(s, 15, math.NaN(), -1, 1e300, 0))}
	if id := choose(s, "", "F1", "F2"); id != "" {
		sub.FrameworkID = &mesos.FrameworkID{Value: id}
	}
	sub.MasterInfo = &mesos.MasterInfo{Version: ptr(choose(s, "1.11.1", "1.9.0", "", "x.y"))}
	s.step(&schedulerpb.Event{Type: schedulerpb.Event_SUBSCRIBED, Subscribed: sub})
}

func (s *scripted) offerID() mesos.OfferID {
	return mesos.OfferID{Value: choose(s, "", "O1", "O2", "O3", "O4")}
}

func (s *scripted) agentID() mesos.AgentID {
	return mesos.AgentID{Value: choose(s, "S1", "S2", "", "S3")}
}

func (s *scripted) taskID() string { return choose(s, "n0", "n1", "n2", "a/b", "", "n3") }

func (s *scripted) offers() {
	ev := &schedulerpb.Event_Offers{}
	for range s.next() % 4 {
		o := mesos.Offer{ID: s.offerID(), AgentID: s.agentID(), Hostname: choose(s, "h", "")}
		o.AllocationInfo = &mesos.Resource_AllocationInfo{Role: ptr(choose(s, "k8sm", "extra", ""))}
		o.Resources = []mesos.Resource{cpusOf(choose(s, 8, 1, 0, -1, math.NaN(), math.Inf(1), 1e300, 1e12)), memOf(4096)}
		o.Unavailability = choose(s, nil, s.unavailability())
		ev.Offers = append(ev.Offers, o)
	}
	s.step(&schedulerpb.Event{Type: schedulerpb.Event_OFFERS, Offers: ev})
}

func (s *scripted) unavailability() *mesos.Unavailability {
	u := &mesos.Unavailability{Start: mesos.TimeInfo{Nanoseconds: choose(s, s.now.UnixNano(), 0, math.MinInt64, math.MaxInt64)}}
	if d := choose(s, 0, int64(time.Minute), -1, math.MaxInt64); d != 0 {
		u.Duration = &mesos.DurationInfo{Nanoseconds: d}
	}
	return u
}

func (s *scripted) inverse() {
	if s.next()%4 == 3 {
		s.step(&schedulerpb.Event{Type: schedulerpb.Event_RESCIND_INVERSE_OFFER, RescindInverseOffer: &schedulerpb.Event_RescindInverseOffer{InverseOfferID: s.offerID()}})
		return
	}
	id := s.agentID()
	o := mesos.InverseOffer{OfferID: s.offerID(), AgentID: choose(s, &id, nil), Unavailability: *s.unavailability()}
	s.step(&schedulerpb.Event{Type: schedulerpb.Event_INVERSE_OFFERS, InverseOffers: &schedulerpb.Event_InverseOffers{InverseOffers: []mesos.InverseOffer{o}}})
}

func (s *scripted) update() {
	id := s.agentID()
	st := mesos.TaskStatus{TaskID: mesos.TaskID{Value: s.taskID()}, AgentID: choose(s, &id, nil)}
	if n := s.next(); n < 250 {
		st.State = mesos.TaskState(n % 20).Enum()
	}
	if u := choose(s, "", "u1", "u2", "u3"); u != "" {
		st.UUID = []byte(u + st.TaskID.Value)
	}
	st.Reason = choose(s, nil, mesos.REASON_AGENT_DRAINING.Enum(), mesos.REASON_INVALID_OFFERS.Enum())
	st.Timestamp = choose(s, nil, ptr(math.NaN()), ptr(1e300))
	s.step(updateOf(st))
}

func (s *scripted) failure() {
	id := s.agentID()
	s.step(&schedulerpb.Event{Type: schedulerpb.Event_FAILURE, Failure: &schedulerpb.Event_Failure{
		AgentID: choose(s, &id, nil), ExecutorID: choose(s, nil, &mesos.ExecutorID{Value: s.taskID()}),
	}})
}

// raw is an event as the library reads it from bytes.
func (s *scripted) raw() {
	n := min(int(s.next()), len(s.script))
	var e schedulerpb.Event
	if decodes(&e, s.script[:n]) {
		s.step(&e)
	}
	s.script = s.script[n:]
}

// decodes reports whether bytes are an event; the library's decoder panics at some.
func decodes(e *schedulerpb.Event, record []byte) (ok bool) {
	defer func() {
		if recover() != nil {
			ok = false
		}
	}()
	return e.Unmarshal(record) == nil
}

func (s *scripted) prepare() {
	id := s.taskID()
	if i := slices.Index(s.intents, id); i >= 0 {
		s.intents = slices.Delete(s.intents, i, i+1)
	}
	err := choose(s, nil, errors.New("conflict"))
	s.prepared[id] = s.prepared[id] || err == nil
	s.core.Prepared(s.now, id, payload, err)
}

func (s *scripted) record() {
	id := s.taskID()
	err := choose(s, nil, scheduler.ErrUnknownTask, errors.New("timeout"))
	if st, out := s.statuses[id]; out && (err == nil || errors.Is(err, scheduler.ErrUnknownTask)) {
		s.recorded[string(st.UUID)] = true
	}
	delete(s.statuses, id)
	s.core.Recorded(s.now, id, err)
}

// answer is the master's to one of the last calls.
func (s *scripted) answer() {
	if len(s.calls) == 0 {
		return
	}
	call := s.calls[len(s.calls)-1-int(s.next())%len(s.calls)]
	if s.next()%2 == 0 {
		s.core.CallAccepted(s.now, call)
	} else {
		s.core.CallRefused(s.now, call, "no")
	}
}

func (s *scripted) demand() {
	id := s.taskID()
	switch s.next() % 4 {
	case 0, 1:
		d := placement.Demand{ID: id, Group: "general", Role: choose(s, "", "extra", "k8sm"), Resources: placement.Resources{CPUs: 1, MemMiB: 128}}
		d.Constraints = choose(s, nil, []placement.Constraint{{Attribute: "rack", Operator: placement.In, Values: []string{"r1", "r2"}}},
			[]placement.Constraint{{Attribute: "@nonsense", Operator: "Like"}})
		s.core.AddDemand(s.now, d)
	case 2:
		s.core.WithdrawDemand(s.now, id)
	case 3:
		s.core.Kill(s.now, id, s.agentID().Value)
	}
}

func (s *scripted) change() {
	switch s.next() % 8 {
	case 0:
		s.core.Teardown(s.now)
	case 1:
		s.core.SetDivergence(choose(s, "", "user root, not nobody"))
	default:
		roles := choose(s, []string{"k8sm"}, []string{"k8sm", "extra"}, []string{"extra"}, []string{})
		_ = s.core.UpdateFramework(s.now, scheduler.Info{Name: "k8sm", Roles: roles}) // no roles is refused, and changes nothing
	}
}

// process takes the Ready of the core, and checks it against the core's promises.
func (s *scripted) process() {
	for n := 0; s.core.HasReady(); n++ {
		if n > 100 {
			s.t.Fatal("the core never comes to rest")
		}
		r := s.core.Ready()
		s.core.Advance()
		if r.Disconnect || r.Subscribe != nil {
			s.calls = nil
		}
		for _, in := range r.Intents {
			if slices.Contains(s.intents, in.TaskID) {
				s.t.Errorf("%s is to be prepared twice at once", in.TaskID)
			}
			delete(s.prepared, in.TaskID)
			s.intents = append(s.intents, in.TaskID)
		}
		for _, st := range r.Statuses {
			if before, out := s.statuses[st.TaskID]; out {
				s.t.Errorf("%+v is to be recorded, and %+v is under way", st, before)
			}
			s.statuses[st.TaskID] = st
		}
		for _, c := range r.Calls {
			s.check(c)
			s.calls = append(s.calls[max(0, len(s.calls)-9):], c)
		}
		for _, id := range []string{"n0", "n1", "n2", "n3", "a/b", ""} {
			s.core.Explain(id)
		}
		if n := s.core.PendingDemands(); n < 0 || n > 6 {
			s.t.Errorf("%d demands wait", n)
		}
	}
}

func (s *scripted) check(c *scheduler.Call) {
	if _, err := c.Marshal(); err != nil {
		s.t.Errorf("%s cannot be sent: %v", c.Type, err)
	}
	if st := s.core.State(); !st.Subscribed && !st.Final {
		s.t.Errorf("%s is sent without a stream", c.Type)
	}
	switch c.Type {
	case schedulerpb.Call_ACCEPT:
		if !s.stored || !s.core.State().Reconciled {
			s.t.Errorf("ACCEPT with ID stored: %v, state %+v", s.stored, s.core.State())
		}
		for _, ti := range c.Accept.Operations[0].Launch.TaskInfos {
			if !s.prepared[ti.TaskID.Value] {
				s.t.Errorf("%s is launched, and was not prepared", ti.TaskID.Value)
			}
		}
	case schedulerpb.Call_ACKNOWLEDGE:
		if !s.recorded[string(c.Acknowledge.UUID)] {
			s.t.Errorf("%s is acknowledged, and was not recorded", c.Acknowledge.UUID)
		}
	}
}
