package agents

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/k8sm/k8sm/mesos/placement"
	"github.com/k8sm/k8sm/mesos/scheduler/tasks"
	"github.com/k8sm/k8sm/mesos/scheduler/timers"
)

const (
	// maxAgents is the number of agents whose failures are remembered. Beyond it the one
	// that may be used again first is forgotten.
	maxAgents = 1000
	// maxGroups is the number of groups that are remembered of one agent, and maxMessage
	// the size of its message in bytes.
	maxGroups  = 8
	maxMessage = 512
	// memory is for how long after its back-off an agent is remembered. Until then other
	// agents are preferred, and the next failure counts as one more in a row.
	memory = time.Hour
	// freeDrops is the number of drops in a row that count as accidents. The next ones
	// count as failures.
	freeDrops = 2
)

var (
	// failureDelay is how long an agent is left alone after failures in a row.
	failureDelay = timers.Backoff{Initial: 30 * time.Second, Max: 10 * time.Minute}
	// awayDelay is the same for an agent that went away: that takes the tasks of all
	// frameworks with it, so that it is tried less often.
	awayDelay = timers.Backoff{Initial: 30 * time.Second, Max: time.Hour}
)

// Failure is what failed on one agent.
type Failure struct {
	AgentID  string
	Hostname string // empty if it is not known
	// Groups whose tasks failed, sorted.
	Groups []string
	// Count of failures in a row.
	Count int
	// Until is when the agent may be used again.
	Until time.Time
	// WentAway means that the last failure was the end of the agent, not of a task alone.
	WentAway bool
	// OnlyGroup is the only group that leaves the agent alone, because it fails on other
	// agents too; empty if all groups do. It follows from the other failures.
	OnlyGroup string
	// Reason and Message are Mesos' own of the last failure, Reason its state if it named
	// none.
	Reason  string
	Message string
}

// Name returns what a person knows the agent by.
func (f *Failure) Name() string { return cmp.Or(f.Hostname, f.AgentID) }

// String describes the failures, without their agent: "after 2 failures in a row, the last:
// TASK_FAILED: no such file".
func (f *Failure) String() string {
	s := "after a failure: "
	if f.Count > 1 {
		s = fmt.Sprintf("after %d failures in a row, the last: ", f.Count)
	}
	if f.WentAway {
		s += "the agent went away, "
	}
	s += f.Reason
	if m := strings.TrimRight(strings.TrimSpace(f.Message), "."); m != "" {
		s += ": " + m
	}
	return s
}

// Place is where a task was launched, and for which group.
type Place struct{ AgentID, Hostname, Group string }

type task struct {
	Place
	launchedAt time.Time // zero if it was launched before a restart
	ranAt      time.Time // when it was first seen to run
	restored   bool      // it ran before a restart
	isCounted  bool      // as a failure
}

func (t *task) hasRun() bool { return t.restored || !t.ranAt.IsZero() }

type agent struct {
	Failure
	text     string // the failure as text
	drops    int    // in a row, that did not count
	lastDrop time.Time
}

// History remembers failures by agent. Use NewHistory. It is not safe for concurrent use.
type History struct {
	timers   *timers.Queue
	agents   map[string]*agent // by agent ID
	tasks    map[string]*task  // that may be alive, by task ID
	version  uint64
	backoffs placement.Backoffs
}

// NewHistory returns a history that begins with failures of before. It sets the timer
// ReviewAgent, with the agent ID as its key.
func NewHistory(q *timers.Queue, stored []Failure) *History {
	h := &History{timers: q, agents: map[string]*agent{}, tasks: map[string]*task{}}
	for _, f := range stored {
		if f.AgentID == "" || f.Count <= 0 {
			continue
		}
		h.agents[f.AgentID] = &agent{Failure: f, text: f.String()}
		h.timers.Set(timers.ReviewAgent, f.AgentID, f.Until)
	}
	h.forgetExcess()
	h.refresh(time.Time{})
	return h
}

// Restore adds a task of the durable records that may be alive.
func (h *History) Restore(taskID string, p Place, s tasks.State) {
	if !s.Terminal() {
		h.tasks[taskID] = &task{Place: p, restored: s == tasks.Running}
	}
}

// Launched adds a task whose ACCEPT is sent.
func (h *History) Launched(now time.Time, taskID string, p Place) {
	h.tasks[taskID] = &task{Place: p, launchedAt: now}
}

// Refused counts an agent that was refused for a task before that was launched: it would be
// refused for the next task, too.
func (h *History) Refused(now time.Time, p Place, reason, message string) {
	h.failed(now, &task{Place: p}, &tasks.Status{State: tasks.Dropped, Reason: reason, Message: message}, failed)
}

// Recorded takes a status that is on record. IsKilling is whether the task was told to end.
func (h *History) Recorded(now time.Time, st *tasks.Status, isKilling bool) {
	t := h.tasks[st.TaskID]
	if t == nil {
		return
	}
	switch v := judge(now, t, st, isKilling); {
	case v == dropped:
		h.dropped(now, t, st)
	case v != blameless && !t.isCounted:
		t.isCounted = true
		h.failed(now, t, st, v)
	}
	if st.State == tasks.Running && t.ranAt.IsZero() {
		t.ranAt = now
	}
	if st.State.Terminal() {
		delete(h.tasks, st.TaskID)
	}
}

// dropped counts a drop, and a failure if drops repeat.
func (h *History) dropped(now time.Time, t *task, st *tasks.Status) {
	a := h.ensureAgent(t)
	if now.Sub(a.lastDrop) > memory {
		a.drops = 0
	}
	a.lastDrop = now
	if a.drops++; a.drops > freeDrops {
		h.failed(now, t, st, failed)
		return
	}
	if a.Count == 0 {
		a.Until = now
	}
	h.timers.Set(timers.ReviewAgent, a.AgentID, a.Until.Add(memory))
	h.forgetExcess()
	h.refresh(now)
}

// failed counts a failure, and has the agent left alone.
func (h *History) failed(now time.Time, t *task, st *tasks.Status, v verdict) {
	a := h.ensureAgent(t)
	a.WentAway = v == wentAway
	delay := failureDelay
	if a.WentAway {
		delay = awayDelay
	}
	if a.Count == 0 || !now.Before(a.Until) { // tasks that were launched together fail together, and count once
		a.Until = now.Add(delay.After(a.Count))
		a.Count++
	}
	a.Reason, a.Message = cmp.Or(st.Reason, string(st.State)), truncate(st.Message)
	if !slices.Contains(a.Groups, t.Group) && len(a.Groups) < maxGroups {
		a.Groups = append(slices.Clone(a.Groups), t.Group)
		slices.Sort(a.Groups)
	}
	a.text = a.String()
	h.timers.Set(timers.ReviewAgent, a.AgentID, a.Until)
	h.forgetExcess()
	h.refresh(now)
}

// ensureAgent returns the agent of a task. One that went away and came back under another
// ID keeps its failures.
func (h *History) ensureAgent(t *task) *agent {
	if a := h.agents[t.AgentID]; a != nil {
		return a
	}
	a := &agent{}
	for _, id := range slices.Sorted(maps.Keys(h.agents)) {
		if before := h.agents[id]; before.WentAway && before.Hostname != "" && before.Hostname == t.Hostname {
			a = before
			h.forget(id)
		}
	}
	a.AgentID, a.Hostname = t.AgentID, t.Hostname
	h.agents[t.AgentID] = a
	return a
}

func (h *History) forget(agentID string) {
	delete(h.agents, agentID)
	h.timers.Stop(timers.ReviewAgent, agentID)
}

// forgetExcess forgets the agents that may be used again first, if there are too many.
func (h *History) forgetExcess() {
	for len(h.agents) > maxAgents {
		h.forget(slices.MinFunc(slices.Collect(maps.Values(h.agents)), func(a, b *agent) int {
			return cmp.Or(a.Until.Compare(b.Until), strings.Compare(a.AgentID, b.AgentID))
		}).AgentID)
	}
}

// Review is called when the timer of an agent expires: its back-off has ended, or it was
// remembered for long enough.
func (h *History) Review(now time.Time, agentID string) {
	a := h.agents[agentID]
	switch {
	case a == nil:
		return
	case now.Before(a.Until):
		h.timers.Set(timers.ReviewAgent, agentID, a.Until)
	case now.Before(a.Until.Add(memory)):
		h.timers.Set(timers.ReviewAgent, agentID, a.Until.Add(memory))
	default:
		h.forget(agentID)
	}
	h.refresh(now)
}

// Clear forgets all failures: all agents may be used at once. Tasks that may be alive are kept.
func (h *History) Clear(now time.Time) {
	for id := range h.agents {
		h.forget(id)
	}
	h.refresh(now)
}

// Version changes whenever what the other methods return does.
func (h *History) Version() uint64 { return h.version }

// Failures returns the agents that are remembered, sorted by ID.
func (h *History) Failures() []Failure {
	var out []Failure
	for _, id := range slices.Sorted(maps.Keys(h.agents)) {
		if a := h.agents[id]; a.Count > 0 {
			f := a.Failure
			f.OnlyGroup = h.backoffs.ByAgentID[id].Group
			out = append(out, f)
		}
	}
	return out
}

// Backoffs returns the back-offs as placement takes them. They do not change.
func (h *History) Backoffs() placement.Backoffs { return h.backoffs }

// refresh computes the back-offs anew.
func (h *History) refresh(now time.Time) {
	h.version++
	h.backoffs = placement.Backoffs{ByAgentID: make(map[string]*placement.Backoff, len(h.agents))}
	suspects := h.suspectGroups(now)
	for id, a := range h.agents {
		b := &placement.Backoff{Until: a.Until, Reason: a.text}
		if len(a.Groups) == 1 && suspects[a.Groups[0]] {
			b.Group = a.Groups[0]
		}
		h.backoffs.ByAgentID[id] = b
		if a.WentAway && a.Hostname != "" {
			if h.backoffs.ByHostname == nil {
				h.backoffs.ByHostname = map[string]*placement.Backoff{}
			}
			h.backoffs.ByHostname[a.Hostname] = b
		}
	}
}

func truncate(s string) string {
	if len(s) <= maxMessage {
		return s
	}
	return strings.ToValidUTF8(s[:maxMessage-len("…")], "") + "…"
}
