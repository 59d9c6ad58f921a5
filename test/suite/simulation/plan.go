package simulation

import (
	"fmt"
	"time"
)

// plan is what a seed makes of the world. Each seed has some kinds of trouble and not
// others: what never rests hides what happens between two blows.
type plan struct {
	masters      int
	agents       int
	roomPerAgent int
	pools        int
	operators    int
	replicasMost int
	drainTimeout time.Duration // 0 for none
	replaceAfter time.Duration // 0 for never
	pods         int
	budget       int // how many pods may be away at a time; 0 for no PodDisruptionBudget

	// crashes is how likely an operator's power goes at one of its first messages;
	// badStarts that a kubelet does not come up, badNodes that one crashes later.
	crashes, badStarts, badNodes float64

	// electAfter a leader's death the next one leads, recovery is how long that takes,
	// and agentReturn how long agents take to come back to it.
	electAfter, recovery, agentReturn time.Duration

	// chaos is for how long there is trouble, and blows how often something befalls.
	chaos time.Duration
	blows int
	// weather while there is trouble.
	weather weatherNow
}

func newPlan(seed uint64) plan {
	c := newChance(seed ^ 0x706c616e)
	r := c.of("size")
	next := func() roll { r = r.then(); return r }
	sometimes := func(p, most float64) float64 {
		if !next().under(p) {
			return 0
		}
		return most * next().unit()
	}
	p := plan{
		masters: 1 + 2*next().below(2),
		agents:  3 + next().below(4), roomPerAgent: 1 + next().below(2), pools: 1 + next().below(2), operators: 1,
		chaos: time.Minute + next().between(0, 5*time.Minute), blows: 3 + next().below(12),
		crashes: sometimes(0.5, 1), badStarts: sometimes(0.3, 0.3), badNodes: sometimes(0.2, 0.5),
	}
	if next().under(0.4) {
		p.operators = 2
	}
	p.replicasMost = max(1, p.agents*p.roomPerAgent/p.pools)
	p.replicasMost = min(p.replicasMost, 5)
	if next().under(0.3) {
		p.drainTimeout = next().between(20*time.Second, 3*time.Minute)
	}
	if next().under(0.3) {
		p.replaceAfter = next().between(time.Minute, 4*time.Minute)
	}
	if next().under(0.5) {
		p.pods = 1 + next().below(6)
		p.budget = next().below(3)
	}
	p.electAfter = next().between(time.Second, 20*time.Second)
	p.recovery = next().between(0, 5*time.Second)
	p.agentReturn = next().between(time.Second, 30*time.Second)
	p.weather = weatherNow{
		refuses: sometimes(0.4, 0.15), forgets: sometimes(0.4, 0.1), slow: sometimes(0.4, 0.1), lags: sometimes(0.5, 0.3),
		cuts: sometimes(0.4, 0.04), deaf: sometimes(0.2, 0.01), crawls: sometimes(0.4, 0.2),
	}
	return p
}

// String is the plan on one line.
func (p plan) String() string {
	return fmt.Sprintf("%d masters, %d agents with room for %d, %d pools of up to %d, %d operators, %d pods (%d may be away), drain timeout %s, replaced after %s, crashes %.2f, bad starts %.2f, bad nodes %.2f, %d blows in %s, weather %+v",
		p.masters, p.agents, p.roomPerAgent, p.pools, p.replicasMost, p.operators, p.pods, p.budget, p.drainTimeout, p.replaceAfter,
		p.crashes, p.badStarts, p.badNodes, p.blows, p.chaos, p.weather)
}
