package demands

import (
	"iter"
	"slices"
	"time"

	"github.com/k8sm/k8sm/mesos/placement"
)

// State of a demand.
type State uint8

// The states.
const (
	// Waiting: the demand is to be matched to an offer.
	Waiting State = iota
	// Launching: it was matched, and its intent is being prepared.
	Launching
	// Retiring: its launch failed, and the end is being recorded. The answer of the store
	// decides whether its ID is used up.
	Retiring
)

// Demand is a task that is wanted, until it is launched.
type Demand struct {
	placement.Demand
	State State
	// WaitingSince is when it began to wait.
	WaitingSince time.Time
	// Problem is why it can never be launched; empty if it can.
	Problem string
	// Withdrawn demands are no longer wanted. They stay until their launch is settled.
	Withdrawn bool

	explanation Explanation
}

// Explanation is why a demand was not placed.
type Explanation struct {
	Text   string
	Agents int       // how many agents the text is about
	At     time.Time // of the decision
}

// Explanation returns why the demand was last not placed; the zero value if it never was
// tried.
func (d *Demand) Explanation() Explanation { return d.explanation }

// Explain replaces the explanation. It reports whether the text is another one. An
// explanation of more agents stands until maxAge has passed: what a few agents lack
// explains less than what many lack.
func (d *Demand) Explain(e Explanation, maxAge time.Duration) (changed bool) {
	if !d.Accepts(e.Agents, e.At, maxAge) {
		return false
	}
	changed = d.explanation.Text != e.Text
	d.explanation = e
	return changed
}

// Accepts reports whether Explain would take an explanation about so many agents.
func (d *Demand) Accepts(agents int, now time.Time, maxAge time.Duration) bool {
	return agents >= d.explanation.Agents || now.Sub(d.explanation.At) >= maxAge
}

// Reconsider has the next explanation accepted, whatever it is about.
func (d *Demand) Reconsider() { d.explanation.Agents = 0 }

// Queue holds the demands in the order in which they were made. It owns the count of the demands
// that wait in each role. Use NewQueue. It is not safe for concurrent use.
type Queue struct {
	byID map[string]*Demand
	// order holds the demands as they came, and some that were removed.
	order   []*Demand
	removed int            // of order
	waiting map[string]int // by role
}

// NewQueue returns an empty queue.
func NewQueue() *Queue { return &Queue{byID: map[string]*Demand{}, waiting: map[string]int{}} }

// Get returns the demand for a task; nil if there is none.
func (q *Queue) Get(id string) *Demand { return q.byID[id] }

// Add puts a demand at the end. It does not wait until Wait is called.
func (q *Queue) Add(d placement.Demand) *Demand {
	added := &Demand{Demand: d}
	q.byID[d.ID] = added
	q.order = append(q.order, added)
	return added
}

// Wait has a demand wait to be placed, at its place in the order.
func (q *Queue) Wait(now time.Time, d *Demand) {
	d.State, d.WaitingSince = Waiting, now
	q.waiting[d.Role]++
}

// Launch notes that a demand that waited was matched to an offer.
func (q *Queue) Launch(d *Demand) {
	d.State = Launching
	q.stopWaiting(d.Role)
}

// Withdraw notes that a demand is no longer wanted. If it waits it is removed at once, and
// the result is true; otherwise its launch is to be settled first.
func (q *Queue) Withdraw(d *Demand) (removed bool) {
	d.Withdrawn = true
	if d.State != Waiting {
		return false
	}
	if d.Problem == "" {
		q.stopWaiting(d.Role)
	}
	q.Remove(d)
	return true
}

func (q *Queue) stopWaiting(role string) {
	if q.waiting[role]--; q.waiting[role] <= 0 {
		delete(q.waiting, role)
	}
}

// minGarbage is how many removed demands are left in the order before it is compacted.
const minGarbage = 64

// Remove removes a demand that does not wait.
func (q *Queue) Remove(d *Demand) {
	d.Withdrawn = true
	if q.byID[d.ID] == d {
		delete(q.byID, d.ID)
	}
	q.removed++
	if q.removed > minGarbage && q.removed > len(q.order)/2 {
		q.order = slices.DeleteFunc(q.order, func(d *Demand) bool { return q.byID[d.ID] != d })
		q.removed = 0
	}
}

// Clear withdraws and removes all demands.
func (q *Queue) Clear() {
	for _, d := range q.order {
		d.Withdrawn = true
	}
	*q = *NewQueue()
}

// WaitingIn returns the number of demands that wait in a role.
func (q *Queue) WaitingIn(role string) int { return q.waiting[role] }

// Waiting returns the demands that could be placed, and are not, in their order.
func (q *Queue) Waiting() iter.Seq[*Demand] {
	return func(yield func(*Demand) bool) {
		for _, d := range q.order {
			if !d.Withdrawn && d.Problem == "" && d.State == Waiting && !yield(d) {
				return
			}
		}
	}
}

// Equal reports whether two demands ask for the same.
func Equal(a, b *placement.Demand) bool {
	return a.ID == b.ID && a.Group == b.Group && a.Role == b.Role && a.Resources == b.Resources &&
		a.MaxPerAgent == b.MaxPerAgent && slices.Equal(a.Avoid, b.Avoid) &&
		slices.EqualFunc(a.Constraints, b.Constraints, placement.Constraint.Equal)
}
