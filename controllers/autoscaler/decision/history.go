package decision

import (
	"slices"
	"time"
)

const (
	// smoothing is the weight of each new observation in the regret rate, which is an
	// exponential moving average.
	smoothing = 0.125
	// maxDelayFactor is the factor by which a regret rate of 1 lengthens the time that a node
	// must have been idle.
	maxDelayFactor = 8
)

// RemovalHistory is how often nodes of a pool that were removed were needed again soon. It
// survives from one decision to the next. Losing it does no harm: it is learned anew.
type RemovalHistory struct {
	// Unassessed has the times of removals of which it is not known yet whether the node was
	// needed again, in order.
	Unassessed []time.Time
	// RegretRate is the share of removed nodes that were soon created again, 0 to 1. The latest
	// ones count most.
	RegretRate float64
}

// assess returns the history after it has looked at what followed each removal. A removal was
// a mistake if another node was created within AfterGrowth, the time for which the pool does
// not shrink after growth. Each new node counts for one removal only, so that removals are
// assessed together when that time is over for the last of them.
func (p RemovalHistory) assess(pool *ShrinkPool, now time.Time) RemovalHistory {
	var made []time.Time
	for i := range pool.Members {
		if at := pool.Members[i].Created; len(p.Unassessed) > 0 && !at.Before(p.Unassessed[0].Truncate(time.Second)) {
			made = append(made, at)
		}
	}
	for len(p.Unassessed) > 0 {
		gone, last := p.Unassessed[0], p.Unassessed[len(p.Unassessed)-1]
		if now.Before(gone.Add(pool.AfterGrowth)) || len(made) > 0 && now.Before(last.Add(pool.AfterGrowth)) {
			break
		}
		p.Unassessed = p.Unassessed[1:]
		i := slices.IndexFunc(made, func(at time.Time) bool {
			return !at.Before(gone.Truncate(time.Second)) && at.Before(gone.Add(pool.AfterGrowth))
		})
		if i < 0 {
			p.RegretRate -= p.RegretRate * smoothing
			continue
		}
		made = slices.Delete(made, i, i+1)
		p.RegretRate += (1 - p.RegretRate) * smoothing
	}
	return p
}

// WithRemoval returns the history after nodes were removed. It is for the caller to add what was
// done: a plan alone removes nothing.
func (p RemovalHistory) WithRemoval(nodes int, now time.Time) RemovalHistory {
	p.Unassessed = slices.Clone(p.Unassessed)
	for range nodes {
		p.Unassessed = append(p.Unassessed, now)
	}
	return p
}

// idleDelay is the time that a node must have been empty or underutilized before it is
// removed: ConsolidateAfter, or longer if removed nodes were needed again.
func (p RemovalHistory) idleDelay(pool *ShrinkPool) time.Duration {
	return time.Duration(float64(pool.ConsolidateAfter) * (1 + (maxDelayFactor-1)*p.RegretRate)).Round(time.Second)
}
