package scheduler_test

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	mesos "github.com/mesos/mesos-go/api/v1/lib"
	schedulerpb "github.com/mesos/mesos-go/api/v1/lib/scheduler"

	"github.com/k8sm/k8sm/mesos/placement"
	"github.com/k8sm/k8sm/mesos/scheduler"
)

var epoch = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// player is a caller of the core that takes inputs from a transcript. It answers by itself
// only what the input auto names.
type player struct {
	core *scheduler.Core
	now  time.Time
	auto map[string]bool
	last scheduler.State
	sent map[schedulerpb.Call_Type]*scheduler.Call // the last of its type
	log  []string
}

func (p *player) logf(format string, args ...any) {
	p.log = append(p.log, fmt.Sprintf("%-10s ", p.now.Sub(epoch).Round(time.Millisecond))+fmt.Sprintf(format, args...))
}

// options splits "a=b" from the other words.
func options(words []string) (plain []string, opts map[string]string) {
	opts = map[string]string{}
	for _, w := range words {
		if k, v, ok := strings.Cut(w, "="); ok && !strings.Contains(k, ":") && !strings.Contains(k, "@") {
			opts[k] = v
		} else {
			plain = append(plain, w)
		}
	}
	return plain, opts
}

func (p *player) do(words []string) error {
	plain, opts := options(words[1:])
	if words[0] == "new" {
		return p.create(plain, opts)
	}
	inputs := map[string]func([]string, map[string]string) error{
		"auto": p.setAuto, "wait": p.wait, "subscribed": p.subscribed, "heartbeat": p.heartbeat, "offers": p.offers, "rescind": p.rescind,
		"update": p.update, "failure": p.failure, "inverse": p.inverse, "rescind-inverse": p.rescindInverse, "maintenance": p.maintenance, "error": p.masterError, "event": p.event, "demand": p.demand, "withdraw": p.withdraw, "kill": p.kill, "message": p.message,
		"stored": p.stored, "prepared": p.prepared, "recorded": p.recorded, "disconnected": p.disconnected, "explain": p.explain,
		"teardown": p.teardown, "accepted": p.accepted, "update-framework": p.updateFramework, "divergence": p.divergence, "retry-soon": p.retrySoon, "counts": p.counts, "next-tick": p.nextTick, "refused": p.refused,
		"observe": p.observe, "room": p.room,
	}
	f := inputs[words[0]]
	if f == nil {
		return errors.New("unknown input")
	}
	if err := f(plain, opts); err != nil {
		return err
	}
	p.drain()
	return nil
}

func (p *player) create(tasks []string, opts map[string]string) error {
	p.now, p.auto, p.sent = epoch, map[string]bool{}, map[schedulerpb.Call_Type]*scheduler.Call{}
	cfg := scheduler.Config{Info: scheduler.Info{ID: opts["id"], Name: "k8sm", User: "root", Roles: []string{"k8sm"}, FailoverTimeout: 7 * 24 * time.Hour}}
	if r := opts["roles"]; r != "" {
		cfg.Info.Roles = strings.Split(r, ",")
	}
	if n := opts["preparing"]; n != "" {
		cfg.Timing.MaxPreparing, _ = strconv.Atoi(n)
	}
	if n := opts["burst"]; n != "" {
		cfg.Timing.CallBurst, _ = strconv.Atoi(n)
		cfg.Timing.CallsPerSecond = 1
	}
	for _, s := range tasks { // T1@S1:TASK_RUNNING, or T1@S1:TASK_RUNNING/TASK_FAILED with a disputed state
		where, state, _ := strings.Cut(s, ":")
		id, agent, _ := strings.Cut(where, "@")
		state, disputed, isDisputed := strings.Cut(state, "/")
		task := scheduler.Task{ID: id, AgentID: agent, Group: "general", State: scheduler.TaskState(state)}
		if isDisputed {
			task.Disputed = []scheduler.TaskState{scheduler.TaskState(disputed)}
		}
		cfg.Tasks = append(cfg.Tasks, task)
	}
	var err error
	if p.core, err = scheduler.New(cfg); err != nil {
		p.logf("refused: %v", err)
		return nil
	}
	p.last = p.core.State()
	p.core.Tick(p.now)
	p.drain()
	return nil
}

func (p *player) setAuto(what []string, _ map[string]string) error {
	p.auto = map[string]bool{}
	for _, w := range what {
		p.auto[w] = true
	}
	return nil
}

// wait lets time pass, and calls Tick whenever NextTick asks for it.
func (p *player) wait(words []string, _ map[string]string) error {
	d, err := time.ParseDuration(words[0])
	if err != nil {
		return err
	}
	until := p.now.Add(d)
	for range 10000 {
		w := p.core.NextTick()
		if w.IsZero() || w.After(until) {
			p.now = until
			return nil
		}
		if w.After(p.now) {
			p.now = w
		}
		p.core.Tick(p.now)
		p.drain()
	}
	return errors.New("the core never comes to rest")
}

func (p *player) nextTick([]string, map[string]string) error {
	if w := p.core.NextTick(); w.IsZero() {
		p.logf("never")
	} else {
		p.logf("in %s", w.Sub(p.now))
	}
	return nil
}

func (p *player) step(e *schedulerpb.Event) error { p.core.Step(p.now, e); return nil }

func (p *player) subscribed(_ []string, opts map[string]string) error {
	s := &schedulerpb.Event_Subscribed{MasterInfo: &mesos.MasterInfo{Hostname: ptr("master"), Port: ptr(uint32(5050)), Version: ptr("1.11.1")}}
	if v := opts["version"]; v != "" {
		s.MasterInfo.Version = &v
	}
	s.MasterInfo.Domain = domainOf(opts["region"])
	if id := opts["id"]; id != "" {
		s.FrameworkID = &mesos.FrameworkID{Value: id}
	}
	if h := opts["heartbeat"]; h != "" {
		x, err := strconv.ParseFloat(h, 64)
		if err != nil {
			return err
		}
		s.HeartbeatIntervalSeconds = &x
	}
	return p.step(&schedulerpb.Event{Type: schedulerpb.Event_SUBSCRIBED, Subscribed: s})
}

// domainOf returns a fault domain in a region, nil for none.
func domainOf(region string) *mesos.DomainInfo {
	if region == "" {
		return nil
	}
	return &mesos.DomainInfo{FaultDomain: &mesos.DomainInfo_FaultDomain{
		Region: mesos.DomainInfo_FaultDomain_RegionInfo{Name: region}, Zone: mesos.DomainInfo_FaultDomain_ZoneInfo{Name: "a"},
	}}
}

func (p *player) heartbeat([]string, map[string]string) error {
	return p.step(&schedulerpb.Event{Type: schedulerpb.Event_HEARTBEAT})
}

func (p *player) event(words []string, _ map[string]string) error {
	n, err := strconv.Atoi(words[0])
	if err != nil {
		return err
	}
	return p.step(&schedulerpb.Event{Type: schedulerpb.Event_Type(n)})
}

// offers reads O1@S1:4 (cpus; a GiB of memory for each), or O1@S1:4/role; start=2h for=1h
// rack=r1,r2 region=eu.
func (p *player) offers(words []string, opts map[string]string) error {
	ev := &schedulerpb.Event_Offers{}
	for _, w := range words {
		where, size, _ := strings.Cut(w, ":")
		id, agent, _ := strings.Cut(where, "@")
		size, role, has := strings.Cut(size, "/")
		if !has {
			role = "k8sm"
		}
		cpus, err := strconv.ParseFloat(size, 64)
		if err != nil {
			return err
		}
		alloc := &mesos.Resource_AllocationInfo{Role: &role}
		o := mesos.Offer{ID: mesos.OfferID{Value: id}, AgentID: mesos.AgentID{Value: agent}, Hostname: "host-" + agent, AllocationInfo: alloc, Unavailability: p.unavailability(opts), Domain: domainOf(opts["region"])}
		for _, r := range strings.FieldsFunc(opts["rack"], func(r rune) bool { return r == ',' }) {
			o.Attributes = append(o.Attributes, mesos.Attribute{Name: "rack", Type: mesos.TEXT, Text: &mesos.Value_Text{Value: r}})
		}
		o.Resources = []mesos.Resource{
			{Name: "cpus", Type: mesos.SCALAR.Enum(), Scalar: &mesos.Value_Scalar{Value: cpus}, AllocationInfo: alloc},
			{Name: "mem", Type: mesos.SCALAR.Enum(), Scalar: &mesos.Value_Scalar{Value: cpus * 1024}, AllocationInfo: alloc},
			{Name: "ports", Type: mesos.RANGES.Enum(), Ranges: &mesos.Value_Ranges{Range: []mesos.Value_Range{{Begin: 31000, End: 31099}}}, AllocationInfo: alloc},
		}
		ev.Offers = append(ev.Offers, o)
	}
	return p.step(&schedulerpb.Event{Type: schedulerpb.Event_OFFERS, Offers: ev})
}

func (p *player) rescind(ids []string, _ map[string]string) error {
	for _, id := range ids {
		_ = p.step(&schedulerpb.Event{Type: schedulerpb.Event_RESCIND, Rescind: &schedulerpb.Event_Rescind{OfferID: mesos.OfferID{Value: id}}})
	}
	return nil
}

// update reads T1@S1 TASK_RUNNING uuid=u1 reason=REASON_… source=EXECUTOR executor=T1.
func (p *player) update(words []string, opts map[string]string) error {
	id, agent, _ := strings.Cut(words[0], "@")
	state, ok := mesos.TaskState_value[words[1]]
	if !ok {
		return fmt.Errorf("no state %s", words[1])
	}
	st := mesos.TaskStatus{TaskID: mesos.TaskID{Value: id}, State: mesos.TaskState(state).Enum()}
	if agent != "" {
		st.AgentID = &mesos.AgentID{Value: agent}
	}
	if u := opts["uuid"]; u != "" {
		st.UUID = []byte(u)
	}
	if r := opts["reason"]; r != "" {
		st.Reason = mesos.TaskStatus_Reason(mesos.TaskStatus_Reason_value[r]).Enum()
	}
	if r := opts["source"]; r != "" {
		st.Source = mesos.TaskStatus_Source(mesos.TaskStatus_Source_value["SOURCE_"+r]).Enum()
	}
	if x := opts["executor"]; x != "" {
		st.ExecutorID = &mesos.ExecutorID{Value: x}
	}
	return p.step(&schedulerpb.Event{Type: schedulerpb.Event_UPDATE, Update: &schedulerpb.Event_Update{Status: st}})
}

// inverse reads I1@S1 start=2h for=1h.
func (p *player) inverse(words []string, opts map[string]string) error {
	ev := &schedulerpb.Event_InverseOffers{}
	for _, w := range words {
		id, agent, _ := strings.Cut(w, "@")
		o := mesos.InverseOffer{OfferID: mesos.OfferID{Value: id}, Unavailability: *p.unavailability(opts)}
		if agent != "" {
			o.AgentID = &mesos.AgentID{Value: agent}
		}
		ev.InverseOffers = append(ev.InverseOffers, o)
	}
	return p.step(&schedulerpb.Event{Type: schedulerpb.Event_INVERSE_OFFERS, InverseOffers: ev})
}

// unavailability reads start=2h for=1h; nil without a start.
func (p *player) unavailability(opts map[string]string) *mesos.Unavailability {
	start, err := time.ParseDuration(opts["start"])
	if err != nil {
		return nil
	}
	u := &mesos.Unavailability{Start: mesos.TimeInfo{Nanoseconds: p.now.Add(start).UnixNano()}}
	if d, err := time.ParseDuration(opts["for"]); err == nil {
		u.Duration = &mesos.DurationInfo{Nanoseconds: d.Nanoseconds()}
	}
	return u
}

func (p *player) rescindInverse(ids []string, _ map[string]string) error {
	for _, id := range ids {
		_ = p.step(&schedulerpb.Event{Type: schedulerpb.Event_RESCIND_INVERSE_OFFER, RescindInverseOffer: &schedulerpb.Event_RescindInverseOffer{InverseOfferID: mesos.OfferID{Value: id}}})
	}
	return nil
}

func (p *player) maintenance(agents []string, _ map[string]string) error {
	for _, id := range agents {
		w, planned := p.core.MaintenanceWindow(id)
		if !planned {
			p.logf("%s stays", id)
			continue
		}
		p.logf("%s goes down in %s for %s", id, w.Start.Sub(p.now), w.Duration)
	}
	return nil
}

func (p *player) failure(_ []string, opts map[string]string) error {
	f := &schedulerpb.Event_Failure{}
	if a := opts["agent"]; a != "" {
		f.AgentID = &mesos.AgentID{Value: a}
	}
	if e := opts["executor"]; e != "" {
		f.ExecutorID = &mesos.ExecutorID{Value: e}
	}
	return p.step(&schedulerpb.Event{Type: schedulerpb.Event_FAILURE, Failure: f})
}

func (p *player) masterError(words []string, _ map[string]string) error {
	return p.step(&schedulerpb.Event{Type: schedulerpb.Event_ERROR, Error: &schedulerpb.Event_Error{Message: strings.Join(words, " ")}})
}

// demand reads IDs, and cpus=4 group=general role=k8sm max=1 avoid=S1
// with=rack:In:r1,r2;@zone:Exists.
func (p *player) demand(ids []string, opts map[string]string) error {
	d := placement.Demand{Group: "general", Role: opts["role"], Resources: placement.Resources{CPUs: 4, MemMiB: 4096, Ports: 2}}
	if g := opts["group"]; g != "" {
		d.Group = g
	}
	if a := opts["avoid"]; a != "" {
		d.Avoid = []string{a}
	}
	for _, s := range strings.FieldsFunc(opts["with"], func(r rune) bool { return r == ';' }) {
		parts := append(strings.Split(s, ":"), "")
		ct := placement.Constraint{Attribute: parts[0], Operator: placement.Operator(parts[1])}
		ct.Values = strings.FieldsFunc(parts[2], func(r rune) bool { return r == ',' })
		d.Constraints = append(d.Constraints, ct)
	}
	d.MaxPerAgent, _ = strconv.Atoi(opts["max"])
	if x := opts["cpus"]; x != "" {
		d.Resources.CPUs, _ = strconv.ParseFloat(x, 64)
	}
	for _, id := range ids {
		d.ID = id
		p.core.AddDemand(p.now, d)
	}
	return nil
}

func (p *player) withdraw(ids []string, _ map[string]string) error {
	for _, id := range ids {
		p.core.WithdrawDemand(p.now, id)
	}
	return nil
}

func (p *player) message(words []string, _ map[string]string) error {
	p.core.SendMessage(p.now, words[0], []byte(words[1]))
	return nil
}

func (p *player) kill(words []string, _ map[string]string) error {
	for _, w := range words {
		id, agent, _ := strings.Cut(w, "@")
		p.core.Kill(p.now, id, agent)
	}
	return nil
}

func errorOf(opts map[string]string) error {
	switch e := opts["err"]; e {
	case "":
		return nil
	case "unknown":
		return fmt.Errorf("recording: %w", scheduler.ErrUnknownTask)
	case "agent-refused":
		return fmt.Errorf("preparing: %w", scheduler.ErrAgentRefused)
	default:
		return errors.New(e)
	}
}

func (p *player) stored(_ []string, opts map[string]string) error {
	p.core.IDStored(p.now, errorOf(opts))
	return nil
}

func (p *player) prepared(ids []string, opts map[string]string) error {
	for _, id := range ids {
		pl := payload
		if o := opts["overhead"]; o != "" {
			pl.Overhead.CPUs, _ = strconv.ParseFloat(o, 64)
		}
		p.core.Prepared(p.now, id, pl, errorOf(opts))
	}
	return nil
}

var payload = scheduler.Payload{
	Name: "node", Data: []byte("secret"), Command: "./executor", Overhead: placement.Resources{CPUs: 0.5, MemMiB: 64}, KillGrace: time.Minute,
	Labels: map[string]string{"pool": "general", "a": ""},
}

func (p *player) recorded(ids []string, opts map[string]string) error {
	for _, id := range ids {
		p.core.Recorded(p.now, id, errorOf(opts))
	}
	return nil
}

func (p *player) disconnected(words []string, _ map[string]string) error {
	p.core.Disconnected(p.now, scheduler.StateReason(words[0]), strings.Join(words[1:], " "))
	return nil
}

// refused answers the last call of a type with 400.
func (p *player) refused(words []string, _ map[string]string) error {
	p.core.CallRefused(p.now, p.sent[schedulerpb.Call_Type(schedulerpb.Call_Type_value[words[0]])], strings.Join(words[1:], " "))
	return nil
}

func (p *player) explain(ids []string, _ map[string]string) error {
	for _, id := range ids {
		m, waiting := p.core.Explain(id)
		p.logf("%s waiting=%v %q", id, waiting, m)
	}
	return nil
}

func (p *player) teardown([]string, map[string]string) error { p.core.Teardown(p.now); return nil }

// accepted answers the last call of a type.
func (p *player) accepted(words []string, _ map[string]string) error {
	p.core.CallAccepted(p.now, p.sent[schedulerpb.Call_Type(schedulerpb.Call_Type_value[words[0]])])
	return nil
}

// updateFramework changes the registration: roles=a,b hostname=h timeout=1h user=u.
func (p *player) updateFramework(_ []string, opts map[string]string) error {
	info := scheduler.Info{Name: "k8sm", User: "root", Hostname: opts["hostname"], Roles: strings.Split(opts["roles"], ","), FailoverTimeout: 7 * 24 * time.Hour}
	if err := p.core.UpdateFramework(p.now, info); err != nil {
		p.logf("refused: %v", err)
	}
	return nil
}

func (p *player) retrySoon([]string, map[string]string) error { p.core.RetrySoon(p.now); return nil }

func (p *player) divergence(words []string, _ map[string]string) error {
	p.core.SetDivergence(strings.Join(words, " "))
	return nil
}

func (p *player) counts([]string, map[string]string) error {
	p.logf("%+v", p.core.Counters())
	if why := p.core.LastIgnored(); why != "" {
		p.logf("ignored: %s", why)
	}
	return nil
}
