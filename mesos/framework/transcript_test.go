package framework_test

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	mesos "github.com/mesos/mesos-go/api/v1/lib"
	"github.com/mesos/mesos-go/api/v1/lib/scheduler"

	"github.com/k8sm/k8sm/mesos/framework"
	"github.com/k8sm/k8sm/mesos/placement"
)

var rewrite = flag.Bool("rewrite", false, "write the transcripts in testdata anew from what the core does; read the difference")

// TestTranscripts plays testdata/*.txt. A line that begins with "> " is an input, the
// lines below it are what the core asks for in answer, each with its time. Lines that
// begin with "#" are for the reader.
func TestTranscripts(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no transcripts: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := play(t, string(text))
			if *rewrite {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(strings.Split(string(text), "\n"), strings.Split(got, "\n")); diff != "" {
				t.Errorf("%s (-want +got):\n%s", file, diff)
			}
		})
	}
}

// play keeps the comments and inputs of a transcript, and writes the answers anew.
func play(t *testing.T, text string) string {
	t.Helper()
	p := &player{}
	var out strings.Builder
	for n, line := range strings.Split(strings.TrimRight(text, "\n"), "\n") {
		switch {
		case strings.HasPrefix(line, "> "):
			p.log = nil
			if err := p.do(strings.Fields(line[2:])); err != nil {
				t.Fatalf("line %d: %s: %v", n+1, line, err)
			}
			fmt.Fprintln(&out, line)
			for _, l := range p.log {
				fmt.Fprintln(&out, l)
			}
		case line == "" || strings.HasPrefix(line, "#"):
			fmt.Fprintln(&out, line)
		}
	}
	return out.String()
}

var epoch = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// player is a caller of the core that does nothing by itself, but for what it was told
// to answer.
type player struct {
	core *framework.Core
	now  time.Time
	auto map[string]bool
	last framework.State
	sent *scheduler.Call // the last call but acknowledgements
	log  []string
}

func (p *player) say(format string, args ...any) {
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
		"update": p.update, "failure": p.failure, "error": p.masterError, "event": p.event, "want": p.want, "forget": p.forget, "kill": p.kill,
		"stored": p.stored, "prepared": p.prepared, "recorded": p.recorded, "disconnected": p.disconnected, "explain": p.explain,
		"teardown": p.teardown, "torndown": p.tornDown, "counts": p.counts, "wake": p.wake, "refuse": p.refuse,
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
	p.now, p.auto = epoch, map[string]bool{}
	cfg := framework.Config{Info: framework.Info{ID: opts["id"], Name: "k8sm", User: "root", Roles: []string{"k8sm"}, FailoverTimeout: 7 * 24 * time.Hour}}
	if r := opts["roles"]; r != "" {
		cfg.Info.Roles = strings.Split(r, ",")
	}
	if n := opts["preparing"]; n != "" {
		cfg.Timing.Preparing, _ = strconv.Atoi(n)
	}
	if n := opts["burst"]; n != "" {
		cfg.Timing.Burst, _ = strconv.Atoi(n)
		cfg.Timing.CallsPerSecond = 1
	}
	for _, s := range tasks { // T1@S1:TASK_RUNNING
		where, state, _ := strings.Cut(s, ":")
		id, agent, _ := strings.Cut(where, "@")
		cfg.Tasks = append(cfg.Tasks, framework.Task{ID: id, AgentID: agent, Group: "general", State: framework.TaskState(state)})
	}
	var err error
	if p.core, err = framework.New(cfg); err != nil {
		p.say("refused: %v", err)
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

// wait lets time pass, with a Tick whenever the core wants one.
func (p *player) wait(words []string, _ map[string]string) error {
	d, err := time.ParseDuration(words[0])
	if err != nil {
		return err
	}
	until := p.now.Add(d)
	for range 10000 {
		w := p.core.Wake()
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

func (p *player) wake([]string, map[string]string) error {
	if w := p.core.Wake(); w.IsZero() {
		p.say("never")
	} else {
		p.say("in %s", w.Sub(p.now))
	}
	return nil
}

func (p *player) step(e *scheduler.Event) error { p.core.Step(p.now, e); return nil }

func (p *player) subscribed(_ []string, opts map[string]string) error {
	s := &scheduler.Event_Subscribed{MasterInfo: &mesos.MasterInfo{Hostname: ptr("master"), Port: ptr(uint32(5050)), Version: ptr("1.11.1")}}
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
	return p.step(&scheduler.Event{Type: scheduler.Event_SUBSCRIBED, Subscribed: s})
}

func (p *player) heartbeat([]string, map[string]string) error {
	return p.step(&scheduler.Event{Type: scheduler.Event_HEARTBEAT})
}

func (p *player) event(words []string, _ map[string]string) error {
	n, err := strconv.Atoi(words[0])
	if err != nil {
		return err
	}
	return p.step(&scheduler.Event{Type: scheduler.Event_Type(n)})
}

// offers reads O1@S1:4 (cpus; a GiB of memory for each), or O1@S1:4/role.
func (p *player) offers(words []string, _ map[string]string) error {
	ev := &scheduler.Event_Offers{}
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
		o := mesos.Offer{ID: mesos.OfferID{Value: id}, AgentID: mesos.AgentID{Value: agent}, Hostname: "host-" + agent, AllocationInfo: alloc}
		for _, r := range []mesos.Resource{
			{Name: "cpus", Type: mesos.SCALAR.Enum(), Scalar: &mesos.Value_Scalar{Value: cpus}, AllocationInfo: alloc},
			{Name: "mem", Type: mesos.SCALAR.Enum(), Scalar: &mesos.Value_Scalar{Value: cpus * 1024}, AllocationInfo: alloc},
			{Name: "ports", Type: mesos.RANGES.Enum(), Ranges: &mesos.Value_Ranges{Range: []mesos.Value_Range{{Begin: 31000, End: 31099}}}, AllocationInfo: alloc},
		} {
			o.Resources = append(o.Resources, r)
		}
		ev.Offers = append(ev.Offers, o)
	}
	return p.step(&scheduler.Event{Type: scheduler.Event_OFFERS, Offers: ev})
}

func (p *player) rescind(ids []string, _ map[string]string) error {
	for _, id := range ids {
		_ = p.step(&scheduler.Event{Type: scheduler.Event_RESCIND, Rescind: &scheduler.Event_Rescind{OfferID: mesos.OfferID{Value: id}}})
	}
	return nil
}

// update reads T1@S1 TASK_RUNNING uuid=u1 reason=REASON_….
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
	return p.step(&scheduler.Event{Type: scheduler.Event_UPDATE, Update: &scheduler.Event_Update{Status: st}})
}

func (p *player) failure(_ []string, opts map[string]string) error {
	f := &scheduler.Event_Failure{}
	if a := opts["agent"]; a != "" {
		f.AgentID = &mesos.AgentID{Value: a}
	}
	if e := opts["executor"]; e != "" {
		f.ExecutorID = &mesos.ExecutorID{Value: e}
	}
	return p.step(&scheduler.Event{Type: scheduler.Event_FAILURE, Failure: f})
}

func (p *player) masterError(words []string, _ map[string]string) error {
	return p.step(&scheduler.Event{Type: scheduler.Event_ERROR, Error: &scheduler.Event_Error{Message: strings.Join(words, " ")}})
}

// want reads IDs, and cpus=4 group=general role=k8sm max=1 avoid=S1.
func (p *player) want(ids []string, opts map[string]string) error {
	d := placement.Demand{Group: "general", Role: opts["role"], Resources: placement.Resources{CPUs: 4, MemMiB: 4096, Ports: 2}}
	if g := opts["group"]; g != "" {
		d.Group = g
	}
	if a := opts["avoid"]; a != "" {
		d.Avoid = []string{a}
	}
	d.MaxPerAgent, _ = strconv.Atoi(opts["max"])
	if x := opts["cpus"]; x != "" {
		d.Resources.CPUs, _ = strconv.ParseFloat(x, 64)
	}
	for _, id := range ids {
		d.ID = id
		p.core.Want(p.now, d)
	}
	return nil
}

func (p *player) forget(ids []string, _ map[string]string) error {
	for _, id := range ids {
		p.core.Forget(p.now, id)
	}
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
		return fmt.Errorf("recording: %w", framework.ErrUnknownTask)
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

var payload = framework.Payload{
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
	p.core.Disconnected(p.now, words[0], strings.Join(words[1:], " "))
	return nil
}

// refuse answers the last call with 400.
func (p *player) refuse(words []string, _ map[string]string) error {
	p.core.CallRefused(p.now, p.sent, strings.Join(words, " "))
	return nil
}

func (p *player) explain(ids []string, _ map[string]string) error {
	for _, id := range ids {
		m, waiting := p.core.Explain(id)
		p.say("%s waiting=%v %q", id, waiting, m)
	}
	return nil
}

func (p *player) teardown([]string, map[string]string) error { p.core.Teardown(p.now); return nil }

func (p *player) tornDown([]string, map[string]string) error { p.core.TornDown(); return nil }

func (p *player) counts([]string, map[string]string) error {
	p.say("%+v", p.core.Counts())
	return nil
}

// drain does what the core asks for: it writes it down, and answers what it was told to
// answer by itself.
func (p *player) drain() {
	for p.core.HasReady() {
		r := p.core.Ready()
		if r.Disconnect {
			p.say("close the stream")
		}
		if r.StoreID != "" {
			p.say("store framework ID %s", r.StoreID)
		}
		if r.Subscribe != nil {
			p.say("%s", callText(r.Subscribe))
		}
		for _, in := range r.Intents {
			p.say("prepare %s on %s (%s) ports=%v", in.TaskID, in.AgentID, in.Hostname, in.Ports)
		}
		for _, st := range r.Statuses {
			p.say("record %s", statusText(st))
		}
		for _, c := range r.Calls {
			p.say("%s", callText(c))
			if c.Type != scheduler.Call_ACKNOWLEDGE {
				p.sent = c
			}
		}
		if r.Changed {
			p.sayState()
		}
		p.core.Advance()
		p.answer(r)
	}
}

// sayState says what changed: the state, or else some explanation.
func (p *player) sayState() {
	s := p.core.State()
	if s == p.last {
		p.say("changed")
		return
	}
	p.last = s
	p.say("state %s subscribed=%v reconciled=%v final=%v %q", s.Reason, s.Subscribed, s.Reconciled, s.Final, s.Message)
}

func (p *player) answer(r framework.Ready) {
	if r.StoreID != "" && p.auto["store"] {
		p.core.IDStored(p.now, nil)
	}
	for _, in := range r.Intents {
		if p.auto["prepare"] {
			p.core.Prepared(p.now, in.TaskID, payload, nil)
		}
	}
	for _, st := range r.Statuses {
		if p.auto["record"] {
			p.core.Recorded(p.now, st.TaskID, nil)
		}
	}
}

func statusText(st framework.TaskStatus) string {
	s := fmt.Sprintf("%s@%s %s", st.TaskID, st.AgentID, st.State)
	for _, w := range []string{st.Source, st.Reason} {
		if w != "" {
			s += " " + w
		}
	}
	if len(st.UUID) > 0 {
		s += " uuid=" + string(st.UUID)
	}
	if st.Message != "" {
		s += fmt.Sprintf(" %q", st.Message)
	}
	return s
}

func callText(c *scheduler.Call) string {
	words := []string{c.Type.String()}
	add := func(format string, args ...any) { words = append(words, fmt.Sprintf(format, args...)) }
	switch c.Type {
	case scheduler.Call_SUBSCRIBE:
		add("id=%s/%s suppressed=%v", c.GetFrameworkID().GetValue(), c.Subscribe.FrameworkInfo.GetID().GetValue(), c.Subscribe.SuppressedRoles)
	case scheduler.Call_ACCEPT:
		for _, id := range c.Accept.OfferIDs {
			add("%s", id.Value)
		}
		add("refuse=%gs", c.Accept.Filters.GetRefuseSeconds())
		for _, ti := range c.Accept.Operations[0].Launch.TaskInfos {
			add("launch %s@%s task=%v executor=%v", ti.TaskID.Value, ti.AgentID.Value, mesos.Resources(ti.Resources), mesos.Resources(ti.Executor.Resources))
		}
	case scheduler.Call_DECLINE:
		for _, id := range c.Decline.OfferIDs {
			add("%s", id.Value)
		}
		add("refuse=%gs", c.Decline.Filters.GetRefuseSeconds())
	case scheduler.Call_REVIVE:
		add("%v", c.Revive.Roles)
	case scheduler.Call_SUPPRESS:
		add("%v", c.Suppress.Roles)
	case scheduler.Call_KILL:
		add("%s@%s", c.Kill.TaskID.Value, c.Kill.AgentID.GetValue())
	case scheduler.Call_ACKNOWLEDGE:
		add("%s@%s uuid=%s", c.Acknowledge.TaskID.Value, c.Acknowledge.AgentID.Value, c.Acknowledge.UUID)
	case scheduler.Call_RECONCILE:
		if len(c.Reconcile.Tasks) == 0 {
			add("implicitly")
		}
		for _, rt := range c.Reconcile.Tasks {
			add("%s@%s", rt.TaskID.Value, rt.AgentID.GetValue())
		}
	}
	return strings.Join(words, " ")
}

func ptr[T any](x T) *T { return &x }
