package timers_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/k8sm/k8sm/mesos/scheduler/timers"
)

var start = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func at(seconds int) time.Time { return start.Add(time.Duration(seconds) * time.Second) }

// expired pops everything that has expired, as "kind key".
func expired(q *timers.Queue, now time.Time) []string {
	var out []string
	for {
		t, ok := q.Pop(now)
		if !ok {
			return out
		}
		out = append(out, fmt.Sprint(t.Kind, " ", t.Key))
	}
}

func text(kind timers.Kind, key string) string { return fmt.Sprint(kind, " ", key) }

func TestTimersExpireInOrder(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		set  func(q *timers.Queue)
		now  time.Time
		want []string
	}{
		"an empty queue has no next time": {
			set: func(*timers.Queue) {}, now: at(10),
		},
		"the earlier timer expires first": {
			set: func(q *timers.Queue) {
				q.Set(timers.Kill, "late", at(2))
				q.Set(timers.Kill, "early", at(1))
			},
			now:  at(2),
			want: []string{text(timers.Kill, "early"), text(timers.Kill, "late")},
		},
		"timers of one time expire by kind, then by key": {
			set: func(q *timers.Queue) {
				q.Set(timers.SendCalls, "", at(1))
				q.Set(timers.Kill, "b", at(1))
				q.Set(timers.Kill, "a", at(1))
				q.Set(timers.Subscribe, "", at(1))
			},
			now:  at(1),
			want: []string{text(timers.Subscribe, ""), text(timers.Kill, "a"), text(timers.Kill, "b"), text(timers.SendCalls, "")},
		},
		"a timer that has not expired stays": {
			set: func(q *timers.Queue) {
				q.Set(timers.Plan, "", at(1))
				q.Set(timers.Kill, "T1", at(2))
			},
			now:  at(1),
			want: []string{text(timers.Plan, "")},
		},
		"setting a timer again moves it": {
			set: func(q *timers.Queue) {
				q.Set(timers.Kill, "moved later", at(1))
				q.Set(timers.Kill, "moved earlier", at(9))
				q.Set(timers.Kill, "moved later", at(9))
				q.Set(timers.Kill, "moved earlier", at(1))
			},
			now:  at(5),
			want: []string{text(timers.Kill, "moved earlier")},
		},
		"SetNoLater never postpones": {
			set: func(q *timers.Queue) {
				q.Set(timers.Kill, "sooner already", at(1))
				q.SetNoLater(timers.Kill, "sooner already", at(9))
				q.Set(timers.Kill, "later", at(9))
				q.SetNoLater(timers.Kill, "later", at(2))
				q.SetNoLater(timers.Kill, "new", at(3))
			},
			now:  at(5),
			want: []string{text(timers.Kill, "sooner already"), text(timers.Kill, "later"), text(timers.Kill, "new")},
		},
		"a stopped timer does not expire, and may be stopped twice": {
			set: func(q *timers.Queue) {
				q.Set(timers.Kill, "T1", at(1))
				q.Set(timers.Kill, "T2", at(1))
				q.Stop(timers.Kill, "T1")
				q.Stop(timers.Kill, "T1")
				q.Stop(timers.Revive, "T2")
			},
			now:  at(5),
			want: []string{text(timers.Kill, "T2")},
		},
		"StopKinds stops all timers of the kinds, and no others": {
			set: func(q *timers.Queue) {
				for i, key := range []string{"a", "b", "c"} {
					q.Set(timers.Kill, key, at(i))
					q.Set(timers.Revive, key, at(i))
					q.Set(timers.Suppress, key, at(i))
				}
				q.StopKinds(timers.Kill, timers.Suppress)
			},
			now:  at(5),
			want: []string{text(timers.Revive, "a"), text(timers.Revive, "b"), text(timers.Revive, "c")},
		},
		"StopAll stops all timers": {
			set: func(q *timers.Queue) {
				q.Set(timers.Kill, "T1", at(1))
				q.StopAll()
			},
			now: at(5),
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			q := timers.NewQueue()
			tc.set(q)
			if got := expired(q, tc.now); !slices.Equal(got, tc.want) {
				t.Errorf("expired are %q, want %q", got, tc.want)
			}
		})
	}
}

func TestNextIsWhenTheFirstTimerExpires(t *testing.T) {
	t.Parallel()
	q := timers.NewQueue()
	if got := q.Next(); !got.IsZero() {
		t.Errorf("an empty queue has a next timer at %s", got)
	}
	q.Set(timers.Kill, "T1", at(7))
	q.Set(timers.Plan, "", at(3))
	if got := q.Next(); !got.Equal(at(3)) {
		t.Errorf("next is %s, want %s", got, at(3))
	}
	q.Stop(timers.Plan, "")
	if got := q.Next(); !got.Equal(at(7)) {
		t.Errorf("next is %s, want %s", got, at(7))
	}
	if !q.Has(timers.Kill, "T1") || q.Has(timers.Kill, "T2") || q.Has(timers.Plan, "") {
		t.Error("Has disagrees with what is started")
	}
}

// The queue must agree with a plain list whatever happens to it, since a wrong position in
// the heap shows only later.
func TestQueueAgreesWithAList(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	q, list := timers.NewQueue(), map[timers.Timer]time.Time{}
	for step := range 20000 {
		id := timers.Timer{Kind: timers.Kind(r.IntN(4)), Key: string(rune('a' + r.IntN(6)))}
		when := at(r.IntN(50))
		switch r.IntN(8) {
		case 0, 1, 2:
			q.Set(id.Kind, id.Key, when)
			list[id] = when
		case 3, 4:
			q.SetNoLater(id.Kind, id.Key, when)
			if before, ok := list[id]; !ok || when.Before(before) {
				list[id] = when
			}
		case 5:
			q.Stop(id.Kind, id.Key)
			delete(list, id)
		case 6:
			if r.IntN(20) == 0 {
				q.StopKinds(id.Kind)
				for other := range list {
					if other.Kind == id.Kind {
						delete(list, other)
					}
				}
			}
		default:
			want, has := first(list, when)
			got, ok := q.Pop(when)
			if ok != has || got != want {
				t.Fatalf("step %d: popped %v %v, want %v %v", step, got, ok, want, has)
			}
			delete(list, want)
		}
		if q.Len() != len(list) {
			t.Fatalf("step %d: %d timers, want %d", step, q.Len(), len(list))
		}
	}
}

// first is what a list would pop: the least by time, kind and key.
func first(list map[timers.Timer]time.Time, now time.Time) (timers.Timer, bool) {
	var out timers.Timer
	found := false
	for id, when := range list {
		switch {
		case when.After(now):
		case !found, when.Before(list[out]):
			out, found = id, true
		case when.Equal(list[out]) && (id.Kind < out.Kind || (id.Kind == out.Kind && id.Key < out.Key)):
			out = id
		}
	}
	return out, found
}
