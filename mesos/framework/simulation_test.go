package framework_test

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	mesos "github.com/mesos/mesos-go/api/v1/lib"
	"github.com/mesos/mesos-go/api/v1/lib/scheduler"

	"github.com/k8sm/k8sm/mesos/framework"
	"github.com/k8sm/k8sm/mesos/placement"
)

// TestInvariantsHoldInAnyOrder plays the core against a master, a store and controllers
// that lose, delay and refuse what they may, with crashes between. A seed is a schedule.
func TestInvariantsHoldInAnyOrder(t *testing.T) {
	t.Parallel()
	seeds := uint64(400)
	if testing.Short() {
		seeds = 40
	}
	for seed := range seeds {
		w := newWorld(t, seed)
		for range 1000 {
			w.act()
		}
		w.converge()
		if t.Failed() {
			t.Fatalf("seed %d; the end of its trace:\n%s", seed, strings.Join(w.trace[max(0, len(w.trace)-60):], "\n"))
		}
	}
}

// The same seed gives the same trace: nothing is left to the order of a map.
func TestCoreIsDeterministic(t *testing.T) {
	t.Parallel()
	for seed := range uint64(20) {
		var traces [2][]string
		for i := range traces {
			w := newWorld(t, seed)
			for range 400 {
				w.act()
			}
			traces[i] = w.trace
		}
		if !slices.Equal(traces[0], traces[1]) {
			t.Fatalf("seed %d gives two traces", seed)
		}
	}
}

// world is all that is around a core.
type world struct {
	t     *testing.T
	rand  *rand.Rand
	now   time.Time
	core  *framework.Core
	trace []string

	// What the core waits for.
	storingID bool
	intents   []framework.Intent
	statuses  []framework.TaskStatus
	calls     []*scheduler.Call // sent and not arrived
	trying    *scheduler.Call

	master masterModel
	store  storeModel
	nodes  map[string]*nodeModel
	calm   bool // no more accidents
}

// masterModel is a master with its agents.
type masterModel struct {
	connected  bool
	suppressed bool
	events     []*scheduler.Event
	offers     map[string]time.Time // outstanding, by when they were told to the core
	made       int
	tasks      map[string]*taskModel
	launched   map[string]bool // ever
}

type taskModel struct {
	agent string
	state mesos.TaskState
	uuid  string // not acknowledged
}

// storeModel is the durable records.
type storeModel struct {
	id      string
	records map[string]framework.Task
	known   map[string]bool // uuids that were recorded, and may be acknowledged
	lost    map[string]bool // records that somebody deleted
}

// nodeModel is what a controller wants of one node.
type nodeModel struct {
	wanted  bool
	attempt int
}

func newWorld(t *testing.T, seed uint64) *world {
	t.Helper()
	w := &world{t: t, rand: rand.New(rand.NewPCG(seed, 1)), now: epoch}
	w.master = masterModel{offers: map[string]time.Time{}, tasks: map[string]*taskModel{}, launched: map[string]bool{}}
	w.store = storeModel{records: map[string]framework.Task{}, known: map[string]bool{}, lost: map[string]bool{}}
	w.nodes = map[string]*nodeModel{}
	for _, name := range []string{"a", "b", "c", "d"} {
		w.nodes[name] = &nodeModel{wanted: true, attempt: 1}
	}
	w.boot()
	return w
}

func (w *world) say(format string, args ...any) {
	w.trace = append(w.trace, fmt.Sprintf("%s ", w.now.Sub(epoch).Round(time.Millisecond))+fmt.Sprintf(format, args...))
}

func (w *world) chance(percent int) bool { return !w.calm && w.rand.IntN(100) < percent }

// boot starts a core from what is durable.
func (w *world) boot() {
	cfg := framework.Config{Seed: 7, Info: framework.Info{ID: w.store.id, Name: "k8sm", Roles: []string{"k8sm"}}}
	for _, id := range slices.Sorted(maps.Keys(w.store.records)) {
		cfg.Tasks = append(cfg.Tasks, w.store.records[id])
	}
	core, err := framework.New(cfg)
	if err != nil {
		w.t.Fatal(err)
	}
	w.core = core
	w.storingID, w.intents, w.statuses, w.calls, w.trying = false, nil, nil, nil, nil
	w.master.disconnect()
	w.say("boot with %d tasks", len(cfg.Tasks))
}

func (m *masterModel) disconnect() {
	m.connected = false
	m.events = nil
	clear(m.offers)
}

// act lets one thing happen.
func (w *world) act() {
	switch w.rand.IntN(20) {
	case 0, 1:
		w.pass(time.Duration(w.rand.IntN(2000)) * time.Millisecond)
	case 2, 3, 4, 5:
		w.deliver()
	case 6, 7, 8:
		w.arrive()
	case 9, 10:
		w.answerPrepare()
	case 11, 12:
		w.answerRecord()
	case 13:
		w.answerID()
	case 14:
		w.connect()
	case 15, 16:
		w.reconcileNode()
	case 17:
		w.offer()
	case 18:
		w.resend()
	default:
		w.accident()
	}
	w.drain()
}

func (w *world) accident() {
	switch w.rand.IntN(12) {
	case 0:
		w.say("the connection breaks")
		w.master.disconnect()
		w.calls, w.trying = nil, nil
		w.core.Disconnected(w.now, framework.MasterUnreachable, "EOF")
	case 1:
		w.say("crash")
		w.boot()
	case 2, 3:
		if len(w.master.offers) > 0 {
			id := slices.Sorted(maps.Keys(w.master.offers))[0]
			delete(w.master.offers, id)
			w.master.tell(&scheduler.Event{Type: scheduler.Event_RESCIND, Rescind: &scheduler.Event_Rescind{OfferID: mesos.OfferID{Value: id}}})
		}
	case 4:
		for _, id := range slices.Sorted(maps.Keys(w.master.tasks)) {
			if mt := w.master.tasks[id]; mt.uuid == "" && mt.state == mesos.TASK_RUNNING {
				w.update(id, mesos.TASK_FAILED)
				return
			}
		}
	case 5:
		for _, id := range slices.Sorted(maps.Keys(w.store.records)) {
			name, _, _ := strings.Cut(id, ".")
			if id == w.current(name) && w.master.tasks[id] != nil {
				w.say("the record of %s is lost", id)
				delete(w.store.records, id)
				w.store.lost[id] = true
				w.nodes[name].attempt++
				return
			}
		}
	case 6, 7, 8:
		n := w.nodes[[]string{"a", "b", "c", "d"}[w.rand.IntN(4)]]
		n.wanted = !n.wanted
	}
}

// pass lets time pass, with every Tick that the core wants.
func (w *world) pass(d time.Duration) {
	until := w.now.Add(d)
	for {
		wake := w.core.Wake()
		if wake.IsZero() || wake.After(until) {
			break
		}
		if wake.After(w.now) {
			w.now = wake
		}
		w.core.Tick(w.now)
		w.drain()
	}
	w.now = until
	for id, since := range w.master.offers {
		if w.now.Sub(since) > 6*time.Second && !w.onItsWay(id) {
			w.t.Errorf("I8: offer %s is held for %s", id, w.now.Sub(since))
		}
	}
}

// onItsWay says that a call that gives an offer back has been sent.
func (w *world) onItsWay(id string) bool {
	return slices.ContainsFunc(w.calls, func(c *scheduler.Call) bool {
		return slices.ContainsFunc(slices.Concat(c.GetAccept().GetOfferIDs(), c.GetDecline().GetOfferIDs()), func(o mesos.OfferID) bool { return o.Value == id })
	}) || slices.ContainsFunc(w.master.events, func(e *scheduler.Event) bool {
		return slices.ContainsFunc(e.GetOffers().GetOffers(), func(o mesos.Offer) bool { return o.ID.Value == id })
	})
}

func (w *world) drain() {
	for w.core.HasReady() {
		r := w.core.Ready()
		if r.Disconnect {
			w.say("the core closes the stream")
			w.master.disconnect()
			w.calls, w.trying = nil, nil
		}
		w.storingID = w.storingID || r.StoreID != ""
		if r.Subscribe != nil {
			w.trying = r.Subscribe
		}
		w.intents = append(w.intents, r.Intents...)
		w.statuses = append(w.statuses, r.Statuses...)
		for _, c := range r.Calls {
			w.say("→ %s", callText(c))
			w.check(c)
			w.calls = append(w.calls, c)
		}
		w.core.Advance()
	}
}

// check holds a call against the invariants at the moment it is sent.
func (w *world) check(c *scheduler.Call) {
	switch c.Type {
	case scheduler.Call_ACCEPT:
		if w.store.id == "" || !w.core.State().Reconciled {
			w.t.Errorf("ACCEPT with stored ID %q and state %+v", w.store.id, w.core.State())
		}
		for _, ti := range c.Accept.Operations[0].Launch.TaskInfos {
			if rec, ok := w.store.records[ti.TaskID.Value]; !ok || rec.AgentID != ti.AgentID.Value {
				w.t.Errorf("I2: %s is launched on %s, the record says %+v", ti.TaskID.Value, ti.AgentID.Value, rec)
			}
		}
	case scheduler.Call_ACKNOWLEDGE:
		if !w.store.known[string(c.Acknowledge.UUID)] {
			w.t.Errorf("%s is acknowledged, and was not recorded", c.Acknowledge.UUID)
		}
	}
}

func (m *masterModel) tell(e *scheduler.Event) {
	if m.connected {
		m.events = append(m.events, e)
	}
}

// connect lets an attempt to subscribe come to something.
func (w *world) connect() {
	if w.trying == nil {
		return
	}
	call := w.trying
	w.trying = nil
	if w.chance(30) {
		w.core.Disconnected(w.now, framework.NoLeader, "No leader elected")
		return
	}
	id := call.GetFrameworkID().GetValue()
	if id == "" && w.store.id != "" {
		w.t.Errorf("I9: subscribed without an ID where %s was stored", w.store.id)
	}
	if id == "" {
		id = fmt.Sprintf("F%d", w.rand.IntN(1000))
	}
	w.say("subscribed as %s", id)
	w.master.disconnect()
	w.master.connected = true
	w.master.suppressed = len(call.Subscribe.SuppressedRoles) > 0
	w.master.tell(&scheduler.Event{Type: scheduler.Event_SUBSCRIBED, Subscribed: &scheduler.Event_Subscribed{
		FrameworkID: &mesos.FrameworkID{Value: id}, HeartbeatIntervalSeconds: ptr(500.0),
	}})
}

func (w *world) deliver() {
	if len(w.master.events) == 0 {
		return
	}
	e := w.master.events[0]
	w.master.events = w.master.events[1:]
	w.say("← %s", e.Type)
	for _, o := range e.GetOffers().GetOffers() {
		if _, out := w.master.offers[o.ID.Value]; out {
			w.master.offers[o.ID.Value] = w.now
		}
	}
	w.core.Step(w.now, e)
}

// offer lets the master offer something, if it may.
func (w *world) offer() {
	m := &w.master
	if !m.connected || m.suppressed {
		return
	}
	m.made++
	id, agent, role := fmt.Sprintf("O%d", m.made), fmt.Sprintf("S%d", w.rand.IntN(3)), "k8sm"
	m.offers[id] = w.now
	alloc := &mesos.Resource_AllocationInfo{Role: &role}
	o := mesos.Offer{ID: mesos.OfferID{Value: id}, AgentID: mesos.AgentID{Value: agent}, Hostname: agent, AllocationInfo: alloc, Resources: []mesos.Resource{
		{Name: "cpus", Type: mesos.SCALAR.Enum(), Scalar: &mesos.Value_Scalar{Value: float64(1 + w.rand.IntN(8))}, AllocationInfo: alloc},
		{Name: "mem", Type: mesos.SCALAR.Enum(), Scalar: &mesos.Value_Scalar{Value: 4096}, AllocationInfo: alloc},
	}}
	m.tell(&scheduler.Event{Type: scheduler.Event_OFFERS, Offers: &scheduler.Event_Offers{Offers: []mesos.Offer{o}}})
}

// arrive lets the next call reach the master, or get lost.
func (w *world) arrive() {
	if len(w.calls) == 0 || !w.master.connected {
		return
	}
	c := w.calls[0]
	w.calls = w.calls[1:]
	lost := w.chance(10)
	switch c.Type {
	case scheduler.Call_ACCEPT:
		if !lost {
			w.accept(c.Accept)
		}
		for _, id := range c.Accept.OfferIDs {
			delete(w.master.offers, id.Value)
		}
	case scheduler.Call_DECLINE:
		for _, id := range c.Decline.OfferIDs {
			delete(w.master.offers, id.Value)
		}
	case scheduler.Call_REVIVE, scheduler.Call_SUPPRESS:
		if !lost {
			w.master.suppressed = c.Type == scheduler.Call_SUPPRESS
		}
	case scheduler.Call_KILL:
		if !w.chance(50) {
			w.kill(c.Kill.TaskID.Value)
		}
	case scheduler.Call_RECONCILE:
		if !lost {
			w.reconcile(c.Reconcile)
		}
	case scheduler.Call_ACKNOWLEDGE:
		id := c.Acknowledge.TaskID.Value
		if mt := w.master.tasks[id]; mt != nil && mt.uuid == string(c.Acknowledge.UUID) {
			mt.uuid = ""
			if framework.TaskState(mt.state.String()).Terminal() {
				delete(w.master.tasks, id)
			} else if mt.state == mesos.TASK_STARTING {
				w.update(id, mesos.TASK_RUNNING)
			}
		}
	}
}

func (w *world) accept(a *scheduler.Call_Accept) {
	valid := !slices.ContainsFunc(a.OfferIDs, func(id mesos.OfferID) bool { _, ok := w.master.offers[id.Value]; return !ok })
	for _, ti := range a.Operations[0].Launch.TaskInfos {
		id := ti.TaskID.Value
		if w.master.launched[id] {
			w.t.Errorf("task ID %s is used twice", id)
		}
		w.master.launched[id] = true
		if !valid {
			w.tellState(id, ti.AgentID.Value, mesos.TASK_DROPPED, "")
			continue
		}
		node, _, _ := strings.Cut(id, ".")
		for other, mt := range w.master.tasks {
			if strings.HasPrefix(other, node+".") && !w.store.lost[other] && !framework.TaskState(mt.state.String()).Terminal() {
				w.t.Errorf("I1: %s is launched, and %s is %s", id, other, mt.state)
			}
		}
		w.master.tasks[id] = &taskModel{agent: ti.AgentID.Value, state: mesos.TASK_STAGING}
		w.update(id, mesos.TASK_STARTING)
	}
}

// update is by the agent: it comes again until it is acknowledged.
func (w *world) update(id string, s mesos.TaskState) {
	mt := w.master.tasks[id]
	mt.state, mt.uuid = s, fmt.Sprintf("%s-%s-%d", id, s, w.rand.IntN(1e9))
	w.tellState(id, mt.agent, s, mt.uuid)
}

func (w *world) tellState(id, agent string, s mesos.TaskState, uuid string) {
	st := mesos.TaskStatus{TaskID: mesos.TaskID{Value: id}, AgentID: &mesos.AgentID{Value: agent}, State: &s}
	if uuid != "" {
		st.UUID = []byte(uuid)
	}
	w.master.tell(&scheduler.Event{Type: scheduler.Event_UPDATE, Update: &scheduler.Event_Update{Status: st}})
}

func (w *world) resend() {
	for _, id := range slices.Sorted(maps.Keys(w.master.tasks)) {
		if mt := w.master.tasks[id]; mt.uuid != "" {
			w.tellState(id, mt.agent, mt.state, mt.uuid)
		}
	}
}

func (w *world) kill(id string) {
	mt := w.master.tasks[id]
	switch {
	case mt == nil:
		w.tellState(id, "S0", mesos.TASK_GONE, "")
	case !framework.TaskState(mt.state.String()).Terminal():
		w.update(id, mesos.TASK_KILLED)
	}
}

func (w *world) reconcile(r *scheduler.Call_Reconcile) {
	if len(r.Tasks) == 0 {
		for _, id := range slices.Sorted(maps.Keys(w.master.tasks)) {
			w.tellState(id, w.master.tasks[id].agent, w.master.tasks[id].state, "")
		}
	}
	for _, rt := range r.Tasks {
		if w.chance(20) {
			continue // an agent that is not back yet
		}
		if mt := w.master.tasks[rt.TaskID.Value]; mt != nil {
			w.tellState(rt.TaskID.Value, mt.agent, mt.state, "")
		} else {
			w.tellState(rt.TaskID.Value, rt.AgentID.GetValue(), mesos.TASK_GONE, "")
		}
	}
}

func (w *world) answerID() {
	if !w.storingID {
		return
	}
	w.storingID = false
	if w.chance(30) {
		w.core.IDStored(w.now, errors.New("timeout"))
		return
	}
	w.store.id = w.core.State().FrameworkID
	w.core.IDStored(w.now, nil)
}

// answerPrepare prepares an intent, or fails before or after the record.
func (w *world) answerPrepare() {
	if len(w.intents) == 0 {
		return
	}
	i := w.rand.IntN(len(w.intents))
	in := w.intents[i]
	w.intents = slices.Delete(w.intents, i, i+1)
	if w.chance(10) || !w.mayPrepare(in.TaskID) {
		w.core.Prepared(w.now, in.TaskID, framework.Payload{}, errors.New("conflict"))
		return
	}
	w.store.records[in.TaskID] = framework.Task{ID: in.TaskID, AgentID: in.AgentID, Group: "general"}
	if w.chance(10) {
		w.core.Prepared(w.now, in.TaskID, framework.Payload{}, errors.New("no token"))
		return
	}
	w.core.Prepared(w.now, in.TaskID, payload, nil)
}

// mayPrepare is what a store checks: the attempt is the current one, and new.
func (w *world) mayPrepare(taskID string) bool {
	name, _, _ := strings.Cut(taskID, ".")
	_, exists := w.store.records[taskID]
	return w.nodes[name].wanted && taskID == w.current(name) && !exists
}

func (w *world) current(name string) string { return fmt.Sprintf("%s.%d", name, w.nodes[name].attempt) }

func (w *world) answerRecord() {
	if len(w.statuses) == 0 {
		return
	}
	i := w.rand.IntN(len(w.statuses))
	st := w.statuses[i]
	w.statuses = slices.Delete(w.statuses, i, i+1)
	if w.chance(20) {
		w.core.Recorded(w.now, st.TaskID, errors.New("timeout"))
		return
	}
	w.store.known[string(st.UUID)] = true
	rec, ok := w.store.records[st.TaskID]
	if !ok || (rec.State.Terminal() && !st.State.Terminal()) {
		w.core.Recorded(w.now, st.TaskID, framework.ErrUnknownTask)
		return
	}
	if !rec.State.Terminal() {
		rec.State = st.State
		w.store.records[st.TaskID] = rec
	}
	w.say("recorded %s %s", st.TaskID, st.State)
	w.core.Recorded(w.now, st.TaskID, nil)
}

// reconcileNode is what a node's controller does when it looks.
func (w *world) reconcileNode() {
	name := []string{"a", "b", "c", "d"}[w.rand.IntN(4)]
	n := w.nodes[name]
	rec, ok := w.store.records[w.current(name)]
	switch {
	case !n.wanted && ok && !rec.State.Terminal():
		w.core.Kill(w.now, rec.ID, rec.AgentID)
	case !n.wanted:
		w.core.Forget(w.now, w.current(name))
	case ok && rec.State.Terminal():
		n.attempt++
		fallthrough
	case !ok:
		w.core.Want(w.now, placement.Demand{ID: w.current(name), Group: "general", MaxPerAgent: 2, Resources: placement.Resources{CPUs: 1, MemMiB: 512}})
	}
}

// converge ends all accidents, and looks whether all comes to rest.
func (w *world) converge() {
	w.calm = true
	w.say("calm")
	for i := range 600 {
		if i == 300 {
			w.pass(16 * time.Minute) // so that the next implicit reconciliation comes
		}
		w.connect()
		for len(w.master.events) > 0 {
			w.deliver()
			w.drain()
		}
		w.answerID()
		w.answerPrepare()
		w.answerRecord()
		w.arrive()
		w.reconcileNode()
		w.drain()
		if w.rand.IntN(4) == 0 {
			w.offer()
			w.resend()
		}
		w.pass(time.Duration(w.rand.IntN(1500)) * time.Millisecond)
	}
	w.checkEnd()
}

// checkEnd: what is wanted runs, what is not wanted does not, and no more is said.
func (w *world) checkEnd() {
	for id, mt := range w.master.tasks {
		name, _, _ := strings.Cut(id, ".")
		if rec, ok := w.store.records[id]; !ok || !w.nodes[name].wanted || id != w.current(name) || string(rec.State) != mt.state.String() {
			w.t.Errorf("I3: at the end %s is %s, its record is %+v, wanted: %v as %s", id, mt.state, rec, w.nodes[name].wanted, w.current(name))
		}
	}
	for name, n := range w.nodes {
		if mt := w.master.tasks[w.current(name)]; n.wanted && (mt == nil || mt.state != mesos.TASK_RUNNING) {
			text, _ := w.core.Explain(w.current(name))
			w.t.Errorf("at the end %s does not run: %+v; %s", w.current(name), mt, text)
		}
	}
	if !w.master.suppressed || len(w.master.offers) > 0 {
		w.t.Errorf("I10: at the end suppressed is %v, and %d offers are out", w.master.suppressed, len(w.master.offers))
	}
	said := len(w.trace)
	w.pass(5 * time.Minute)
	for _, line := range w.trace[said:] {
		if strings.Contains(line, "→") && !strings.HasSuffix(line, "RECONCILE implicitly") {
			w.t.Errorf("I10: at rest it says %s", line)
		}
	}
}
