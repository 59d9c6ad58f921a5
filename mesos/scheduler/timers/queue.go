package timers

import (
	"container/heap"
	"slices"
	"strings"
	"time"
)

// Timer identifies what is to happen. There is at most one of each kind and key.
type Timer struct {
	Kind Kind
	Key  string
}

// Queue holds timers until they expire. Use NewQueue. It is not safe for concurrent use.
type Queue struct {
	heap  entryHeap
	index map[Timer]*entry
}

type entry struct {
	Timer
	at       time.Time
	position int // in the heap
}

// NewQueue returns an empty queue.
func NewQueue() *Queue { return &Queue{index: map[Timer]*entry{}} }

// Len returns the number of timers.
func (q *Queue) Len() int { return len(q.heap) }

// Set starts a timer, or moves it if it was started before.
func (q *Queue) Set(kind Kind, key string, at time.Time) {
	t := Timer{kind, key}
	if e := q.index[t]; e != nil {
		e.at = at
		heap.Fix(&q.heap, e.position)
		return
	}
	e := &entry{Timer: t, at: at}
	q.index[t] = e
	heap.Push(&q.heap, e)
}

// SetNoLater starts a timer, or moves it to an earlier time. A timer that expires sooner
// already stays as it is.
func (q *Queue) SetNoLater(kind Kind, key string, at time.Time) {
	if e := q.index[Timer{kind, key}]; e != nil && !e.at.After(at) {
		return
	}
	q.Set(kind, key, at)
}

// Has reports whether a timer is started.
func (q *Queue) Has(kind Kind, key string) bool { return q.index[Timer{kind, key}] != nil }

// Stop removes a timer, if it was started.
func (q *Queue) Stop(kind Kind, key string) {
	t := Timer{kind, key}
	if e := q.index[t]; e != nil {
		heap.Remove(&q.heap, e.position)
		delete(q.index, t)
	}
}

// StopKinds removes all timers of some kinds. It looks at every timer.
func (q *Queue) StopKinds(kinds ...Kind) {
	kept := q.heap[:0]
	for _, e := range q.heap {
		if slices.Contains(kinds, e.Kind) {
			delete(q.index, e.Timer)
			continue
		}
		kept = append(kept, e)
	}
	clear(q.heap[len(kept):])
	q.heap = kept
	for i, e := range q.heap {
		e.position = i
	}
	heap.Init(&q.heap)
}

// StopAll removes all timers.
func (q *Queue) StopAll() { *q = *NewQueue() }

// Pop removes and returns the first timer that has expired. The second result is false
// when none has.
func (q *Queue) Pop(now time.Time) (Timer, bool) {
	if len(q.heap) == 0 || q.heap[0].at.After(now) {
		return Timer{}, false
	}
	e := heap.Pop(&q.heap).(*entry)
	delete(q.index, e.Timer)
	return e.Timer, true
}

// Next returns when the first timer expires; the zero time when there is none.
func (q *Queue) Next() time.Time {
	if len(q.heap) == 0 {
		return time.Time{}
	}
	return q.heap[0].at
}

// entryHeap orders timers by time, then kind, then key, so that the order is the same in
// every run.
type entryHeap []*entry

func (h entryHeap) Len() int { return len(h) }

func (h entryHeap) Less(i, j int) bool {
	if c := h[i].at.Compare(h[j].at); c != 0 {
		return c < 0
	}
	if h[i].Kind != h[j].Kind {
		return h[i].Kind < h[j].Kind
	}
	return strings.Compare(h[i].Key, h[j].Key) < 0
}

func (h entryHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].position, h[j].position = i, j
}

func (h *entryHeap) Push(x any) {
	e := x.(*entry)
	e.position = len(*h)
	*h = append(*h, e)
}

func (h *entryHeap) Pop() any {
	last := len(*h) - 1
	e := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	return e
}
