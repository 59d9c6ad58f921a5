package scheduler

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	schedulerpb "github.com/mesos/mesos-go/api/v1/lib/scheduler"
	"github.com/mesos/mesos-go/api/v1/lib/scheduler/calls"
)

// tasks is the part of the core that knows what may be alive.
type tasks struct {
	known   map[string]*task
	byAgent map[string][]string
	// unheard counts the tasks of which the master has said nothing since SUBSCRIBED.
	unheard int
	// round is the tasks to ask for next.
	round []*task
}

// task is one from its ACCEPT, or its record, until its end is recorded.
type task struct {
	id      string
	agentID string
	group   string
	counted bool      // in occupied
	state   TaskState // the last that was recorded
	seen    time.Time // when the record was last known to be there
	unheard bool
	asked   int // times, without an answer
	killing bool
	kills   int
	orphan  bool // no record bears it
	over    bool // its end is recorded, or nobody knows it

	// statuses to record; the first is with the store if recording.
	statuses  []TaskStatus
	recording bool
	failures  int
	// intent whose end is recorded, for what we abandoned ourselves.
	intent *intent
}

// tasksMost bounds what a master can make us remember. What is turned away has not been
// acknowledged, and comes again.
const tasksMost = 100000

// statusesMost bounds what waits for the store of one task. What is turned away has not
// been acknowledged, and comes again.
const statusesMost = 16

func newTasks() tasks { return tasks{known: map[string]*task{}, byAgent: map[string][]string{}} }

func (c *Core) restore(t Task) error {
	if err := validateID(t.ID); err != nil {
		return fmt.Errorf("restoring a task: %w", err)
	}
	if t.State.Terminal() || c.tasks.known[t.ID] != nil {
		return nil
	}
	k := c.task(t.ID, t.AgentID)
	k.state = t.State
	c.count(k, t.Group)
	return nil
}

// task is the one of an ID, noted if it was not known. A master may tell of a task before
// we launched it; what is on its way to the store then goes on.
func (c *Core) task(id, agentID string) *task {
	t := c.tasks.known[id]
	if t == nil {
		t = &task{id: id}
		c.tasks.known[id] = t
	}
	c.settleOn(t, agentID)
	return t
}

// settleOn notes the agent of a task. The master's word corrects ours: it does not pass on
// a KILL that names another agent than the task's.
func (c *Core) settleOn(t *task, agentID string) {
	if agentID == "" || agentID == t.agentID {
		return
	}
	c.leaveAgent(t)
	t.agentID = agentID
	c.byAgent[agentID] = append(c.byAgent[agentID], t.id)
	if t.counted {
		c.occupy(t.group, agentID, 1)
	}
}

func (c *Core) leaveAgent(t *task) {
	if ids := slices.DeleteFunc(c.byAgent[t.agentID], func(id string) bool { return id == t.id }); len(ids) > 0 {
		c.byAgent[t.agentID] = ids
	} else {
		delete(c.byAgent, t.agentID)
	}
	if t.counted {
		c.occupy(t.group, t.agentID, -1)
	}
}

// count makes a task count for MaxPerAgent.
func (c *Core) count(t *task, group string) {
	t.group, t.counted = group, true
	c.occupy(group, t.agentID, 1)
}

func (c *Core) removeTask(t *task) {
	delete(c.tasks.known, t.id)
	c.leaveAgent(t)
	c.agenda.clear(dutyAsk, t.id)
	c.agenda.clear(dutyKill, t.id)
	c.agenda.clear(dutyRecord, t.id)
}

// launched notes a task whose ACCEPT is on its way.
func (c *Core) launched(now time.Time, in *intent) {
	t := c.task(in.TaskID, in.AgentID)
	t.group, t.counted = in.want.Group, true // occupied since it was an intent
	c.spend(t.id)
	c.agenda.set(dutyAsk, t.id, now.Add(c.timing.LaunchTimeout))
}

// onUpdate takes what the master tells of a task.
func (c *Core) onUpdate(now time.Time, st TaskStatus) {
	if st.TaskID == "" || !st.State.known() {
		return
	}
	t := c.tasks.known[st.TaskID]
	if t == nil {
		if len(c.tasks.known) >= tasksMost {
			return
		}
		t = c.task(st.TaskID, st.AgentID)
	}
	if st.AgentID == "" {
		st.AgentID = t.agentID
	}
	c.settleOn(t, st.AgentID)
	if st.Reason == reasonAgentDraining {
		c.onDraining(now, st.AgentID)
	}
	c.hear(now, t, st.State)
	if c.nothingNew(now, t, st) {
		return
	}
	c.lineUp(t, st)
	if t.killing && !st.State.Terminal() && !st.State.doubtful() {
		// It is within reach; the last KILL may have been lost.
		c.agenda.hasten(dutyKill, t.id, now.Add(c.timing.Kill.Initial))
	}
}

// nothingNew is what task reconciliation mostly tells. Now and then the store is asked
// nevertheless, to see that the record is still there; always while the task is killed:
// without a record, nobody waits for its end.
func (c *Core) nothingNew(now time.Time, t *task, st TaskStatus) bool {
	answered := len(st.UUID) == 0 && st.State == t.state
	atRest := len(t.statuses) == 0 && !t.orphan && !t.killing
	return answered && atRest && now.Sub(t.seen) < c.timing.ImplicitInterval
}

// lineUp puts a status in line for the store.
func (c *Core) lineUp(t *task, st TaskStatus) {
	for i := range t.statuses {
		s := &t.statuses[i]
		underWay := i == 0 && t.recording
		switch {
		case len(st.UUID) > 0 && bytes.Equal(s.UUID, st.UUID):
			return // told twice
		case len(st.UUID) == 0 && len(s.UUID) == 0 && !underWay && s.Source != SourceK8sm:
			*s = st // only the last of those that nobody waits for
			return
		}
	}
	if len(t.statuses) >= statusesMost {
		return
	}
	t.statuses = append(t.statuses, st)
	if !t.recording && !c.agenda.has(dutyRecord, t.id) {
		c.recordNext(t)
	}
}

// recordOurs records the end of an intent that was never launched.
func (c *Core) recordOurs(in *intent, s TaskState, reason, message string) {
	t := c.task(in.TaskID, in.AgentID)
	t.intent = in
	c.lineUp(t, TaskStatus{TaskID: in.TaskID, AgentID: in.AgentID, State: s, Source: SourceK8sm, Reason: reason, Message: message})
}

// recordNext hands the next status of a task to the store.
func (c *Core) recordNext(t *task) {
	if t == nil || t.recording || len(t.statuses) == 0 || c.phase == ended {
		return
	}
	t.recording = true
	c.out.Statuses = append(c.out.Statuses, t.statuses[0])
}

// Recorded answers Ready.Statuses.
func (c *Core) Recorded(now time.Time, taskID string, err error) {
	t := c.tasks.known[taskID]
	if t == nil || !t.recording || c.phase == ended {
		return
	}
	t.recording = false
	if err != nil && !errors.Is(err, ErrUnknownTask) {
		c.agenda.set(dutyRecord, t.id, now.Add(c.timing.Store.after(t.failures)))
		t.failures++
		return
	}
	st := t.statuses[0]
	t.statuses = t.statuses[1:]
	t.failures = 0
	c.acknowledge(&st)
	if in := t.intent; in != nil && st.Source == SourceK8sm {
		t.intent = nil
		t.over = true
		c.burnt(now, in, err)
	} else if err != nil {
		c.unknown(now, t, st.State)
	} else {
		t.state, t.seen, t.orphan = st.State, now, false
		t.over = t.over || st.State.Terminal()
	}
	if len(t.statuses) > 0 {
		c.recordNext(t)
	} else if t.over {
		c.removeTask(t)
		c.planSoon(now) // its group may have room on the agent again
	}
	c.settle(now)
}

// unknown deals with a task of ours that no record bears: if it may run, it is killed.
func (c *Core) unknown(now time.Time, t *task, s TaskState) {
	t.state, t.orphan = s, true
	if s.Terminal() || s.doubtful() {
		t.over = true // should it come back, we are told
		return
	}
	t.over = false
	c.kill(now, t)
}

// Kill has a task killed, again and again until a terminal status is recorded. The
// agent may be empty when it is not known.
func (c *Core) Kill(now time.Time, taskID, agentID string) {
	if c.phase == ended || validateID(taskID) != nil {
		return
	}
	if w := c.wants[taskID]; w != nil {
		c.WithdrawDemand(now, taskID) // nothing of it was launched
		return
	}
	t := c.tasks.known[taskID]
	if t == nil {
		t = c.task(taskID, agentID)
	}
	if t.agentID == "" {
		c.settleOn(t, agentID)
	}
	c.kill(now, t)
	c.settle(now)
}

// SendMessage sends data to the executor of a task that may be alive: once, and only if there
// is a stream. Mesos promises nothing, and does not answer: whoever wants to be heard says
// it again until an update tells that he was.
func (c *Core) SendMessage(now time.Time, taskID string, data []byte) {
	t := c.tasks.known[taskID]
	if c.phase != up || t == nil || t.agentID == "" || t.killing || t.over {
		return
	}
	c.enqueue(calls.Message(t.agentID, taskID, data))
	c.settle(now)
}

func (c *Core) kill(now time.Time, t *task) {
	if t.killing || t.over {
		return
	}
	t.killing = true
	if c.phase == up {
		c.sendKill(now, t)
	}
}

func (c *Core) sendKill(now time.Time, t *task) {
	if t == nil || !t.killing || t.over || c.phase != up {
		return
	}
	c.enqueue(calls.Kill(t.id, t.agentID))
	c.agenda.set(dutyKill, t.id, now.Add(c.timing.Kill.after(t.kills)))
	t.kills++
}

// killAgain follows SUBSCRIBED: KILLs on the old stream may be lost.
func (c *Core) killAgain(now time.Time) {
	for _, t := range c.sortedTasks() {
		if t.killing {
			t.kills = 0
			c.sendKill(now, t)
		}
	}
}

func (c *Core) sortedTasks() []*task {
	out := make([]*task, 0, len(c.tasks.known))
	for _, id := range slices.Sorted(maps.Keys(c.tasks.known)) {
		out = append(out, c.tasks.known[id])
	}
	return out
}

// onFailure asks for the tasks on an agent, or under an executor, that is said to be
// gone. The event is a hint: it may be wrong, late or missing.
func (c *Core) onFailure(now time.Time, f *schedulerpb.Event_Failure) {
	at := now.Add(c.timing.FailureDelay)
	if id := f.GetExecutorID().GetValue(); id != "" {
		if c.tasks.known[id] != nil {
			c.agenda.hasten(dutyAsk, id, at)
		}
		return
	}
	c.lost(f.GetAgentID().GetValue())
	for _, id := range c.byAgent[f.GetAgentID().GetValue()] {
		c.agenda.hasten(dutyAsk, id, at)
	}
}
