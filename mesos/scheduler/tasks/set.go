package tasks

import (
	"maps"
	"slices"
	"time"

	"github.com/k8sm/k8sm/mesos/scheduler/capacity"
	"github.com/k8sm/k8sm/mesos/scheduler/timers"
)

// MaxTasks limits what a master can make the scheduler remember. A status that is turned
// away has not been acknowledged, and comes again.
const MaxTasks = 100000

// Task is one from its ACCEPT, or its record, until its end is recorded.
type Task struct {
	ID      string
	AgentID string // empty while it is not known
	// State that was last recorded; empty for a bare intent.
	State State
	// IsOver means that its end was recorded, or that the task is unknown: it is
	// removed as soon as no status of it waits.
	IsOver bool

	group     string
	isCounted bool // in the occupancy
	// isOrphan means that no record bears the task.
	isOrphan bool
	// confirmedAt is when its record was last known to exist.
	confirmedAt time.Time

	statuses statusQueue

	// isAwaited means that the master has not reported it since SUBSCRIBED.
	isAwaited bool
	asked     int // RECONCILEs in a row without an answer

	isKilling bool
	kills     int // KILLs on this stream
	// killedSince is when the first KILL went out that the executor could have got; zero for
	// none.
	killedSince time.Time

	// disputed are the states that foreign updates claimed since the last update that
	// counted. The master repeats them when it is asked.
	disputed map[State]claim
	// isInDoubt means that a foreign update ever claimed anything.
	isInDoubt bool
}

// IsKilling reports whether the task is to be killed.
func (t *Task) IsKilling() bool { return t.isKilling }

// HasStatuses reports whether statuses of the task wait to be recorded.
func (t *Task) HasStatuses() bool { return !t.statuses.isEmpty() }

// IsRecording reports whether a status of the task is with the store.
func (t *Task) IsRecording() bool { return t.statuses.recording }

// isWithinReach reports whether a call to the task's agent gets there, as far as is known.
func (t *Task) isWithinReach() bool {
	return t.AgentID != "" && !t.isAwaited && !t.State.IsUncertain()
}

// IsKnown reports whether a status contains nothing new, as most answers to task
// reconciliation. After checkInterval the store is asked nevertheless, to see that the
// record still exists; and always while the task is killed, because without a record nobody
// waits for its end.
func (t *Task) IsKnown(now time.Time, st *Status, checkInterval time.Duration) bool {
	isAnswer := len(st.UUID) == 0 && st.State == t.State
	isAtRest := t.statuses.isEmpty() && !t.isOrphan && !t.isKilling
	return isAnswer && isAtRest && now.Sub(t.confirmedAt) < checkInterval
}

// Recorded notes that a state was recorded.
func (t *Task) Recorded(now time.Time, s State) {
	t.State, t.confirmedAt, t.isOrphan = s, now, false
	t.IsOver = t.IsOver || s.Terminal()
}

// Orphaned notes that no record bears the task. It reports whether the task may run, and is
// to be killed. Otherwise it is over; should it come back, the master reports it.
func (t *Task) Orphaned(s State) (mayRun bool) {
	t.State, t.isOrphan = s, true
	t.IsOver = s.Terminal() || s.IsUncertain()
	return !t.IsOver
}

// claim is whether the store has the claim of a foreign update.
type claim uint8

const (
	claimWaits claim = iota // it was not given to the store
	claimGiven
	claimRecorded
)

// Dispute notes the state that a foreign update claimed. MustRecord: the update is to be
// recorded first, and acknowledged then. It is acknowledged at once if an earlier one with
// this state was recorded. Otherwise it is turned away, and comes again.
func (t *Task) Dispute(s State) (mustRecord, isRecorded bool) {
	if t.disputed == nil {
		t.disputed = map[State]claim{}
	}
	t.isInDoubt = true
	was := t.disputed[s]
	t.disputed[s] = was
	if was == claimWaits && !t.statuses.isFull() {
		t.disputed[s] = claimGiven
		return true, false
	}
	return false, was == claimRecorded
}

// DisputeRecorded notes that a claim is on record. It was settled if an update that counts
// came meanwhile: the record of that removes the claim again.
func (t *Task) DisputeRecorded(s State) {
	if _, disputed := t.disputed[s]; disputed {
		t.disputed[s] = claimRecorded
	}
}

// Settle notes an update that counts: what the master knows of the task's state is true
// again.
func (t *Task) Settle() { t.disputed = nil }

// IsDisputed reports whether a state may come from a foreign update.
func (t *Task) IsDisputed(s State) bool {
	_, disputed := t.disputed[s]
	return disputed
}

// IsInDoubt reports whether a foreign update has claimed anything about the task: Mesos may
// believe that it is over while its executor runs.
func (t *Task) IsInDoubt() bool { return t.isInDoubt }

// Set holds the tasks by ID and by agent. It owns the part of the occupancy that tasks
// make up. Use NewSet. It is not safe for concurrent use.
type Set struct {
	timers    *timers.Queue
	occupancy *capacity.Occupancy
	byID      map[string]*Task
	byAgent   map[string][]string
}

// NewSet returns an empty set that counts its tasks in the occupancy.
func NewSet(occupancy *capacity.Occupancy, q *timers.Queue) *Set {
	return &Set{timers: q, occupancy: occupancy, byID: map[string]*Task{}, byAgent: map[string][]string{}}
}

// Len returns the number of tasks.
func (s *Set) Len() int { return len(s.byID) }

// Get returns a task; nil if it is not known.
func (s *Set) Get(id string) *Task { return s.byID[id] }

// Note returns the task of an ID, which is added if it was not known: a master may report a
// task before it is launched from here. What is on its way to the store then goes on.
func (s *Set) Note(id, agentID string) *Task {
	t := s.byID[id]
	if t == nil {
		t = &Task{ID: id}
		s.byID[id] = t
	}
	s.SetAgent(t, agentID)
	return t
}

// SetAgent notes the agent of a task, unless it is empty. The master's word replaces what
// was recorded: it does not pass on a KILL that names another agent than the task's.
func (s *Set) SetAgent(t *Task, agentID string) {
	if agentID == "" || agentID == t.AgentID {
		return
	}
	s.leaveAgent(t)
	t.AgentID = agentID
	s.byAgent[agentID] = append(s.byAgent[agentID], t.ID)
	if t.isCounted {
		s.occupancy.Add(t.group, agentID, 1)
	}
}

func (s *Set) leaveAgent(t *Task) {
	if ids := slices.DeleteFunc(s.byAgent[t.AgentID], func(id string) bool { return id == t.ID }); len(ids) > 0 {
		s.byAgent[t.AgentID] = ids
	} else {
		delete(s.byAgent, t.AgentID)
	}
	if t.isCounted {
		s.occupancy.Add(t.group, t.AgentID, -1)
	}
}

// Restore adds a task from the durable records. One that has ended, or is known, is left
// out. Disputed are the claims on record.
func (s *Set) Restore(id, agentID, group string, state State, disputed ...State) {
	if state.Terminal() || s.byID[id] != nil {
		return
	}
	t := s.Note(id, agentID)
	t.State, t.group, t.isCounted = state, group, true
	for _, claimed := range disputed {
		t.Dispute(claimed)
		t.DisputeRecorded(claimed)
	}
	s.occupancy.Add(group, t.AgentID, 1)
}

// Launched adds a task whose ACCEPT is sent. It has been counted since it was matched.
func (s *Set) Launched(id, agentID, group string) *Task {
	t := s.Note(id, agentID)
	t.group, t.isCounted = group, true
	return t
}

// Remove removes a task and its timers.
func (s *Set) Remove(t *Task) {
	delete(s.byID, t.ID)
	s.leaveAgent(t)
	s.timers.Stop(timers.ReconcileTask, t.ID)
	s.timers.Stop(timers.Kill, t.ID)
	s.timers.Stop(timers.RecordStatus, t.ID)
}

// All returns all tasks, sorted by ID.
func (s *Set) All() []*Task {
	out := make([]*Task, 0, len(s.byID))
	for _, id := range slices.Sorted(maps.Keys(s.byID)) {
		out = append(out, s.byID[id])
	}
	return out
}

// OnAgent returns the IDs of the tasks on an agent. The slice is the Set's own: it is not
// to be changed, nor kept.
func (s *Set) OnAgent(agentID string) []string { return s.byAgent[agentID] }
