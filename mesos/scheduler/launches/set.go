package launches

import (
	"maps"
	"slices"
	"time"

	mesos "github.com/mesos/mesos-go/api/v1/lib"

	"github.com/k8sm/k8sm/mesos/placement"
	"github.com/k8sm/k8sm/mesos/scheduler/agents"
	"github.com/k8sm/k8sm/mesos/scheduler/demands"
	"github.com/k8sm/k8sm/mesos/scheduler/offers"
	"github.com/k8sm/k8sm/mesos/scheduler/timers"
)

// Launch is an intent from its match until it is sent or abandoned.
type Launch struct {
	Intent
	Demand    *demands.Demand
	Batch     *Batch
	CreatedAt time.Time
	// Prepared launches have a payload, and nothing has come between.
	Prepared bool

	resources []mesos.Resource
	payload   Payload
	answered  bool
}

// Place returns where the task is to run, and for which group.
func (l *Launch) Place() agents.Place {
	return agents.Place{AgentID: l.AgentID, Hostname: l.Hostname, Group: l.Demand.Group}
}

// TaskInfo makes the task that is launched. The error is for a payload that does not fit.
func (l *Launch) TaskInfo(frameworkID string) (mesos.TaskInfo, error) {
	return TaskInfo(frameworkID, &l.Intent, &l.payload, l.resources)
}

// Batch is what goes into one ACCEPT: all that is placed on one agent by one plan. There is
// one agent to an ACCEPT, because one bad offer voids everything in it.
type Batch struct {
	ID       string // that of its first offer
	Offers   []*offers.Offer
	Launches []*Launch
	// Void batches were sent, or lost an offer: launches that are answered later are
	// abandoned.
	Void bool

	unanswered int
}

// Role that the offers of the batch are made to.
func (b *Batch) Role() string { return b.Offers[0].Role }

// IsAnswered reports whether every launch was prepared, or failed.
func (b *Batch) IsAnswered() bool { return b.unanswered == 0 }

// HasPrepared reports whether there is something to send.
func (b *Batch) HasPrepared() bool {
	return slices.ContainsFunc(b.Launches, func(l *Launch) bool { return l.Prepared })
}

// Set holds launches and batches. Use New. It is not safe for concurrent use.
type Set struct {
	timers   *timers.Queue
	timeout  time.Duration
	launches map[string]*Launch // by task ID
	batches  map[string]*Batch
	// unanswered counts the launches that the caller has not prepared yet, with those
	// of void batches.
	unanswered int
	// abandoned launches whose end is being recorded, by task ID.
	abandoned map[string]*Launch
}

// New returns an empty set, in which offers are held for preparation no longer than
// timeout. It sets the timer SendBatch, with the batch as its key.
func New(timeout time.Duration, q *timers.Queue) *Set {
	return &Set{
		timers: q, timeout: timeout,
		launches: map[string]*Launch{}, batches: map[string]*Batch{}, abandoned: map[string]*Launch{},
	}
}

// NewBatch begins a batch that uses some offers of one agent; at least one.
func (s *Set) NewBatch(used []*offers.Offer) *Batch {
	b := &Batch{ID: used[0].ID, Offers: used}
	first := used[0].ArrivedAt
	for _, o := range used {
		o.Batch = b.ID
		first = timers.Earlier(first, o.ArrivedAt)
	}
	s.batches[b.ID] = b
	s.timers.Set(timers.SendBatch, b.ID, first.Add(s.timeout))
	return b
}

// Add puts a match into a batch. Its intent is to be prepared.
func (s *Set) Add(now time.Time, b *Batch, d *demands.Demand, m *placement.Match) *Launch {
	l := &Launch{
		Intent: Intent{
			TaskID: d.ID, AgentID: m.Agent.ID, Hostname: m.Agent.Hostname, Address: m.Agent.Address,
			Region: m.Agent.Region, Zone: m.Agent.Zone, Attributes: m.Offer.Attributes(),
			Ports: m.Ports, Resources: d.Resources,
		},
		CreatedAt: now, Demand: d, Batch: b, resources: m.Resources,
	}
	b.Launches = append(b.Launches, l)
	b.unanswered++
	s.launches[d.ID] = l
	s.unanswered++
	return l
}

// Unanswered returns the number of intents that are being prepared.
func (s *Set) Unanswered() int { return s.unanswered }

// Answer takes the payload of an intent. The result is nil if no intent of the task waits
// for one.
func (s *Set) Answer(taskID string, p Payload) *Launch {
	l := s.launches[taskID]
	if l == nil || l.answered {
		return nil
	}
	l.answered, l.payload = true, p
	l.Batch.unanswered--
	s.unanswered--
	return l
}

// Abandon ends a launch that is not sent. It is kept until TakeAbandoned, while its end is
// recorded.
func (s *Set) Abandon(l *Launch) {
	l.Prepared = false
	delete(s.launches, l.TaskID)
	s.abandoned[l.TaskID] = l
}

// IsAbandoned reports whether the end of a launch is being recorded.
func (s *Set) IsAbandoned(taskID string) bool { return s.abandoned[taskID] != nil }

// TakeAbandoned removes and returns the launch of a task whose end was recorded; nil if
// there is none.
func (s *Set) TakeAbandoned(taskID string) *Launch {
	l := s.abandoned[taskID]
	delete(s.abandoned, taskID)
	return l
}

// Sent removes a launch that was sent.
func (s *Set) Sent(l *Launch) { delete(s.launches, l.TaskID) }

// Dissolve ends a batch.
func (s *Set) Dissolve(b *Batch) {
	b.Void = true
	delete(s.batches, b.ID)
	s.timers.Stop(timers.SendBatch, b.ID)
}

// Batch returns a batch by its ID; nil if there is none.
func (s *Set) Batch(id string) *Batch { return s.batches[id] }

// Batches returns all batches, sorted by ID.
func (s *Set) Batches() []*Batch {
	out := make([]*Batch, 0, len(s.batches))
	for _, id := range slices.Sorted(maps.Keys(s.batches)) {
		out = append(out, s.batches[id])
	}
	return out
}
