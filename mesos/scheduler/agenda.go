package scheduler

import (
	"container/heap"
	"strings"
	"time"
)

// duty is a kind of thing to do later.
type duty uint8

// The duties. Those that are due at the same time come in this order.
const (
	dutySubscribe duty = iota // open a stream
	dutySilence               // has the master been silent for too long?
	dutyStoreID               // store the framework ID again
	dutyRecord                // record a status again; key: task
	dutyHold                  // decline offers that were held long enough
	dutyBatch                 // accept with what is prepared by now; key: batch
	dutyPlan                  // match demands to offers
	dutyRetry                 // a group may be placed again; key: group
	dutyPatience              // launch although not every task was told of
	dutyAsk                   // reconcile one task; key: task
	dutyImplicit              // reconcile all that the master knows
	dutyKill                  // send KILL again; key: task
	dutyRevive                // key: role
	dutySuppress              // key: role
	dutyWindow                // maintenance is over, or called off; key: agent
	dutyForget                // agents that were seen too long ago
	dutyCalls                 // the next calls may be sent
)

// agenda is what is to be done when. One thing has one time; to set it again is to move
// it.
type agenda struct {
	queue appointments
	find  map[appointment]*entry
}

// appointment is a thing to do.
type appointment struct {
	duty duty
	key  string
}

type entry struct {
	appointment
	at    time.Time
	index int
}

func newAgenda() agenda { return agenda{find: map[appointment]*entry{}} }

// set moves a thing to a time.
func (a *agenda) set(d duty, key string, at time.Time) {
	what := appointment{d, key}
	if e := a.find[what]; e != nil {
		e.at = at
		heap.Fix(&a.queue, e.index)
		return
	}
	e := &entry{appointment: what, at: at}
	a.find[what] = e
	heap.Push(&a.queue, e)
}

// hasten sets a thing, unless it comes sooner already.
func (a *agenda) hasten(d duty, key string, at time.Time) {
	if e := a.find[appointment{d, key}]; e != nil && !e.at.After(at) {
		return
	}
	a.set(d, key, at)
}

func (a *agenda) has(d duty, key string) bool { return a.find[appointment{d, key}] != nil }

func (a *agenda) clear(d duty, key string) {
	what := appointment{d, key}
	if e := a.find[what]; e != nil {
		heap.Remove(&a.queue, e.index)
		delete(a.find, what)
	}
}

// clearAll drops all things of some duties.
func (a *agenda) clearAll(ds ...duty) {
	kept := a.queue[:0]
	for _, e := range a.queue {
		drop := false
		for _, d := range ds {
			drop = drop || e.duty == d
		}
		if drop {
			delete(a.find, e.appointment)
			continue
		}
		kept = append(kept, e)
	}
	clear(a.queue[len(kept):])
	a.queue = kept
	for i, e := range a.queue {
		e.index = i
	}
	heap.Init(&a.queue)
}

// take removes the first thing that is due.
func (a *agenda) take(now time.Time) (appointment, bool) {
	if len(a.queue) == 0 || a.queue[0].at.After(now) {
		return appointment{}, false
	}
	e := heap.Pop(&a.queue).(*entry)
	delete(a.find, e.appointment)
	return e.appointment, true
}

// next is when the first thing is due; zero when there is none.
func (a *agenda) next() time.Time {
	if len(a.queue) == 0 {
		return time.Time{}
	}
	return a.queue[0].at
}

// appointments are a heap by time, then duty, then key, so that the order is never
// left to chance.
type appointments []*entry

func (q appointments) Len() int { return len(q) }

func (q appointments) Less(i, j int) bool {
	if c := q[i].at.Compare(q[j].at); c != 0 {
		return c < 0
	}
	if q[i].duty != q[j].duty {
		return q[i].duty < q[j].duty
	}
	return strings.Compare(q[i].key, q[j].key) < 0
}

func (q appointments) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].index, q[j].index = i, j
}

func (q *appointments) Push(x any) {
	e := x.(*entry)
	e.index = len(*q)
	*q = append(*q, e)
}

func (q *appointments) Pop() any {
	last := len(*q) - 1
	e := (*q)[last]
	(*q)[last] = nil
	*q = (*q)[:last]
	return e
}
