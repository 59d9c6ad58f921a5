package decision

import (
	"slices"
	"time"
)

const (
	// lesson is how much of what is remembered each node counts for that went.
	lesson = 0.125
	// mostPatience is by how much longer a node stays at most where those that went were
	// needed again.
	mostPatience = 8
)

// Past is what the next decision has to know of a pool: whether it was right that nodes
// went. It is lost without harm: it is learned anew.
type Past struct {
	// Gone is when nodes went of which this is not known yet, in order.
	Gone []time.Time
	// Rue is the share of nodes that were made again soon after they went, 0 to 1; the last
	// ones count most.
	Rue float64
}

// learn looks what became of the nodes that went: each was missed for which another was made
// before the time was over for which the pool does not shrink after growth. What was made
// since is known only when all of that time is over, and then each counts once.
func (p Past) learn(pool *ShrinkPool, now time.Time) Past {
	var made []time.Time
	for i := range pool.Members {
		if at := pool.Members[i].Created; len(p.Gone) > 0 && !at.Before(p.Gone[0].Truncate(time.Second)) {
			made = append(made, at)
		}
	}
	for len(p.Gone) > 0 {
		gone, last := p.Gone[0], p.Gone[len(p.Gone)-1]
		if now.Before(gone.Add(pool.Calm)) || len(made) > 0 && now.Before(last.Add(pool.Calm)) {
			break
		}
		p.Gone = p.Gone[1:]
		i := slices.IndexFunc(made, func(at time.Time) bool {
			return !at.Before(gone.Truncate(time.Second)) && at.Before(gone.Add(pool.Calm))
		})
		if i < 0 {
			p.Rue -= p.Rue * lesson
			continue
		}
		made = slices.Delete(made, i, i+1)
		p.Rue += (1 - p.Rue) * lesson
	}
	return p
}

// patience is how long a node must have been empty or under-used until it goes.
func (p Past) patience(pool *ShrinkPool) time.Duration {
	return time.Duration(float64(pool.After) * (1 + (mostPatience-1)*p.Rue)).Round(time.Second)
}
