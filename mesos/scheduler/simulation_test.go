package scheduler_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	mesos "github.com/mesos/mesos-go/api/v1/lib"
	schedulerpb "github.com/mesos/mesos-go/api/v1/lib/scheduler"

	"github.com/k8sm/k8sm/mesos/scheduler"
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
		w := newSimulation(t, seed)
		for range 1000 {
			w.step()
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
			w := newSimulation(t, seed)
			for range 400 {
				w.step()
			}
			traces[i] = w.trace
		}
		if !slices.Equal(traces[0], traces[1]) {
			t.Fatalf("seed %d gives two traces", seed)
		}
	}
}

// simulation is a core with everything around it: a master, a store and controllers.
type simulation struct {
	t     *testing.T
	rand  *rand.Rand
	now   time.Time
	core  *scheduler.Core
	trace []string

	// Requests that the core awaits an answer to.
	storingID bool
	intents   []scheduler.Intent
	statuses  []scheduler.TaskStatus
	calls     []*scheduler.Call // sent and not arrived
	trying    *scheduler.Call

	master   masterModel
	store    storeModel
	nodes    map[string]*nodeModel
	info     scheduler.Info
	noFaults bool // from now on
}

// masterModel is a master with its agents.
type masterModel struct {
	connected   bool
	roles       []string
	suppressed  map[string]bool
	constraints map[string][]message // groups, by role
	events      []*schedulerpb.Event
	offers      map[string]offerModel // outstanding
	inverse     map[string]time.Time  // outstanding inverse offers, by when they were sent to the core
	made        int
	windows     map[string]*mesos.Unavailability // by agent
	draining    map[string]bool
	tasks       map[string]*taskModel
	launched    map[string]bool // ever
}

type offerModel struct {
	sentAt      time.Time // to the core
	agent, role string
}

type taskModel struct {
	agent string
	state mesos.TaskState
	uuid  string // not acknowledged
}

// storeModel is the durable records.
type storeModel struct {
	id      string
	records map[string]scheduler.Task
	known   map[string]bool // uuids that were recorded, and may be acknowledged
	lost    map[string]bool // records that somebody deleted
}

// nodeModel is the desired state of one node.
type nodeModel struct {
	wanted  bool
	attempt int
}

func newSimulation(t *testing.T, seed uint64) *simulation {
	t.Helper()
	w := &simulation{t: t, rand: rand.New(rand.NewPCG(seed, 1)), now: epoch}
	w.master = masterModel{
		suppressed: map[string]bool{}, offers: map[string]offerModel{}, inverse: map[string]time.Time{}, windows: map[string]*mesos.Unavailability{},
		draining: map[string]bool{}, tasks: map[string]*taskModel{}, launched: map[string]bool{},
	}
	w.info = scheduler.Info{Name: "k8sm", Roles: []string{"k8sm"}}
	w.store = storeModel{records: map[string]scheduler.Task{}, known: map[string]bool{}, lost: map[string]bool{}}
	w.nodes = map[string]*nodeModel{}
	for _, name := range []string{"a", "b", "c", "d"} {
		w.nodes[name] = &nodeModel{wanted: true, attempt: 1}
	}
	w.restart()
	return w
}

func (w *simulation) logf(format string, args ...any) {
	w.trace = append(w.trace, fmt.Sprintf("%s ", w.now.Sub(epoch).Round(time.Millisecond))+fmt.Sprintf(format, args...))
}

func (w *simulation) chance(percent int) bool { return !w.noFaults && w.rand.IntN(100) < percent }

// restart starts a core from the durable records.
func (w *simulation) restart() {
	cfg := scheduler.Config{Seed: 7, Info: w.info}
	cfg.Info.ID = w.store.id
	for _, id := range slices.Sorted(maps.Keys(w.store.records)) {
		cfg.Tasks = append(cfg.Tasks, w.store.records[id])
	}
	core, err := scheduler.New(cfg)
	if err != nil {
		w.t.Fatal(err)
	}
	w.core = core
	w.storingID, w.intents, w.statuses, w.calls, w.trying = false, nil, nil, nil, nil
	w.master.disconnect()
	w.logf("boot with %d tasks", len(cfg.Tasks))
}

func (m *masterModel) disconnect() {
	m.connected = false
	m.events = nil
	clear(m.offers)
	clear(m.inverse)
}

// step makes one random thing happen.
func (w *simulation) step() {
	switch w.rand.IntN(20) {
	case 0, 1:
		w.advance(time.Duration(w.rand.IntN(2000)) * time.Millisecond)
	case 2, 3, 4, 5:
		w.deliverEvent()
	case 6, 7, 8:
		w.callArrives()
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
		w.injectFault()
	}
	w.drain()
}

func (w *simulation) injectFault() {
	switch w.rand.IntN(16) {
	case 0:
		w.logf("the connection breaks")
		w.master.disconnect()
		w.calls, w.trying = nil, nil
		w.core.Disconnected(w.now, scheduler.MasterUnreachable, "EOF")
	case 1:
		w.logf("crash")
		w.restart()
	case 2, 3:
		if len(w.master.offers) > 0 {
			w.master.rescind(slices.Sorted(maps.Keys(w.master.offers))[0])
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
				w.logf("the record of %s is lost", id)
				delete(w.store.records, id)
				w.store.lost[id] = true
				w.nodes[name].attempt++
				return
			}
		}
	case 6, 7, 8:
		n := w.nodes[[]string{"a", "b", "c", "d"}[w.rand.IntN(4)]]
		n.wanted = !n.wanted
	case 9:
		w.updateFramework([]string{"k8sm"}, []string{"k8sm", "extra"}, []string{"extra"})
	case 10:
		w.changeMaintenance()
	case 11:
		agent := fmt.Sprintf("S%d", w.rand.IntN(3))
		w.master.draining[agent] = !w.master.draining[agent]
	}
}

// updateFramework changes the registration.
func (w *simulation) updateFramework(roles ...[]string) {
	w.info.Roles = roles[w.rand.IntN(len(roles))]
	w.info.Hostname = fmt.Sprint("host-", w.rand.IntN(3))
	w.logf("becomes %v %s", w.info.Roles, w.info.Hostname)
	if err := w.core.UpdateFramework(w.now, w.info); err != nil {
		w.t.Error(err)
	}
}

// advance lets time pass, and calls Tick whenever NextTick asks for it.
func (w *simulation) advance(d time.Duration) {
	until := w.now.Add(d)
	for {
		wake := w.core.NextTick()
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
	for id, o := range w.master.offers {
		if w.now.Sub(o.sentAt) > 6*time.Second && !w.onItsWay(id) {
			w.t.Errorf("I8: offer %s is held for %s", id, w.now.Sub(o.sentAt))
		}
	}
	for id, since := range w.master.inverse {
		if w.now.Sub(since) > 6*time.Second && !w.onItsWay(id) {
			w.t.Errorf("inverse offer %s waits for an answer for %s", id, w.now.Sub(since))
		}
	}
}

// onItsWay reports whether a call that gives an offer back has been sent.
func (w *simulation) onItsWay(id string) bool {
	return slices.ContainsFunc(w.calls, func(c *scheduler.Call) bool {
		return slices.ContainsFunc(slices.Concat(c.GetAccept().GetOfferIDs(), c.GetDecline().GetOfferIDs(), c.GetAcceptInverseOffers().GetInverseOfferIDs()), func(o mesos.OfferID) bool { return o.Value == id })
	}) || slices.ContainsFunc(w.master.events, func(e *schedulerpb.Event) bool {
		return slices.ContainsFunc(e.GetOffers().GetOffers(), func(o mesos.Offer) bool { return o.ID.Value == id }) ||
			slices.ContainsFunc(e.GetInverseOffers().GetInverseOffers(), func(o mesos.InverseOffer) bool { return o.OfferID.Value == id })
	})
}

func (w *simulation) drain() {
	for w.core.HasReady() {
		r := w.core.Ready()
		if r.Disconnect {
			w.logf("the core closes the stream")
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
			w.logf("→ %s", callText(c))
			w.check(c)
			w.calls = append(w.calls, c)
		}
		w.core.Advance()
	}
}

// check holds a call against the invariants at the moment it is sent.
func (w *simulation) check(c *scheduler.Call) {
	switch c.Type {
	case schedulerpb.Call_ACCEPT:
		if w.store.id == "" || !w.core.State().Reconciled {
			w.t.Errorf("ACCEPT with stored ID %q and state %+v", w.store.id, w.core.State())
		}
		for _, ti := range c.Accept.Operations[0].Launch.TaskInfos {
			if rec, ok := w.store.records[ti.TaskID.Value]; !ok || rec.AgentID != ti.AgentID.Value {
				w.t.Errorf("I2: %s is launched on %s, the record is %+v", ti.TaskID.Value, ti.AgentID.Value, rec)
			}
			if node, _, _ := strings.Cut(ti.TaskID.Value, "."); !mayRunOn(node, ti.AgentID.Value) {
				w.t.Errorf("%s is launched on %s against its constraints", ti.TaskID.Value, ti.AgentID.Value)
			}
		}
	case schedulerpb.Call_ACKNOWLEDGE:
		if !w.store.known[string(c.Acknowledge.UUID)] {
			w.t.Errorf("%s is acknowledged, and was not recorded", c.Acknowledge.UUID)
		}
	}
}

func (m *masterModel) send(e *schedulerpb.Event) {
	if m.connected {
		m.events = append(m.events, e)
	}
}

// converge ends all accidents, and looks whether all comes to rest.
func (w *simulation) converge() {
	w.noFaults = true
	w.logf("calm")
	w.info.Name = "calm" // another registration than any that was refused
	w.updateFramework([]string{"k8sm"})
	clear(w.master.windows)
	clear(w.master.draining)
	for i := range 600 {
		if i == 300 {
			w.advance(16 * time.Minute) // so that the next implicit reconciliation comes
		}
		w.connect()
		for len(w.master.events) > 0 {
			w.deliverEvent()
			w.drain()
		}
		w.answerID()
		w.answerPrepare()
		w.answerRecord()
		w.callArrives()
		w.reconcileNode()
		w.drain()
		if w.rand.IntN(4) == 0 {
			w.offer()
			w.resend()
		}
		w.advance(time.Duration(w.rand.IntN(1500)) * time.Millisecond)
	}
	w.checkEnd()
}

// checkEnd checks that what is wanted runs, that nothing else does, and that no more calls
// are sent.
func (w *simulation) checkEnd() {
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
	if !w.master.suppressed["k8sm"] || len(w.master.offers) > 0 {
		w.t.Errorf("I10: at the end suppressed is %v, and %d offers are out", w.master.suppressed, len(w.master.offers))
	}
	if got := w.core.State().Divergence; got == "" && !slices.Equal(w.master.roles, w.info.Roles) {
		w.t.Errorf("at the end the roles are %v, want %v", w.master.roles, w.info.Roles)
	}
	traced := len(w.trace)
	w.advance(5 * time.Minute)
	for _, line := range w.trace[traced:] {
		if strings.Contains(line, "→") && !strings.HasSuffix(line, "RECONCILE implicitly") {
			w.t.Errorf("I10: at rest it sends %s", line)
		}
	}
}
