package autoscaler

import (
	"sync"
	"time"

	"github.com/k8sm/k8sm/api/v1alpha1"
)

// batch gathers pods: they come one by one, and what nodes are best for all of them is
// known only when all are there.
type batch struct {
	mu          sync.Mutex
	first, last time.Time // when pods came; zero if none did
}

// came notes that a pod became unschedulable.
func (b *batch) came(now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.first.IsZero() {
		b.first = now
	}
	b.last = now
}

// wait tells for how long more pods are to be waited for; 0 if that is over. Then the next
// pod begins another batch.
func (b *batch) wait(now time.Time, idle, most time.Duration) time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	due := b.last.Add(idle)
	if latest := b.first.Add(most); latest.Before(due) {
		due = latest
	}
	if !b.first.IsZero() && due.After(now) {
		return due.Sub(now)
	}
	b.first, b.last = time.Time{}, time.Time{}
	return 0
}

// patience is that of the most impatient pool.
func patience(pools []*pool) (idle, most time.Duration) {
	for i, p := range pools {
		its := p.Spec.Autoscaling.Batch
		if i == 0 || duration(its.Idle) < idle {
			idle = duration(its.Idle)
		}
		if i == 0 || duration(its.Max) < most {
			most = duration(its.Max)
		}
	}
	return idle, most
}

// elastic tells whether pods say how many nodes a pool has.
func elastic(p *v1alpha1.MesosNodePool) bool { return p.Spec.Autoscaling != nil }
