package decision

import (
	"slices"
	"time"
)

const (
	// smoothing is how much of what is remembered each node counts for that went.
	smoothing = 0.125
	// maxDelayFactor is by how much longer a node stays at most where those that went were
	// needed again.
	maxDelayFactor = 8
)

// RemovalHistory is what the next decision has to know of a pool: whether it was right that nodes
// went. It is lost without harm: it is learned anew.
type RemovalHistory struct {
	// Unassessed is when nodes went of which this is not known yet, in order.
	Unassessed []time.Time
	// RegretRate is the share of nodes that were made again soon after they went, 0 to 1; the last
	// ones count most.
	RegretRate float64
}

// assess looks what became of the nodes that went: each was missed for which another was made
// before the time was over for which the pool does not shrink after growth. What was made
// since is known only when all of that time is over, and then each counts once.
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

// idleDelay is how long a node must have been empty or under-used until it goes.
func (p RemovalHistory) idleDelay(pool *ShrinkPool) time.Duration {
	return time.Duration(float64(pool.ConsolidateAfter) * (1 + (maxDelayFactor-1)*p.RegretRate)).Round(time.Second)
}
