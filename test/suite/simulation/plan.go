package simulation

import (
	"fmt"
	"time"
)

// plan is what a seed determines. Each seed has only some kinds of failures: permanent failures
// would hide what happens between two faults.
type plan struct {
	masters      int
	agents       int
	roomPerAgent int
	pools        int
	operators    int
	maxReplicas  int
	drainTimeout time.Duration // 0 for none
	replaceAfter time.Duration // 0 for never
	pods         int
	budget       int // maxUnavailable of the PodDisruptionBudget; 0 for none

	// crashes is the probability that an operator crashes at one of its first messages,
	// badStarts that a kubelet does not start, badNodes that one crashes later.
	crashes, badStarts, badNodes float64

	// electAfter is the time from a leader's death to the next election, recovery the time that
	// the new leader needs, agentReturn the maximum time until agents have re-registered.
	electAfter, recovery, agentReturn time.Duration

	// chaos is the time with faults, faults their number.
	chaos  time.Duration
	faults int
	// rollouts is the number of times that users change templates, rollouts and budgets; 0 in most
	// seeds.
	rollouts int
	// rates are the failure rates during that time.
	rates failureRates
}

func newPlan(seed uint64) plan {
	c := newRNG(seed ^ 0x706c616e)
	r := c.of("size")
	next := func() roll { r = r.then(); return r }
	sometimes := func(p, most float64) float64 {
		if !next().happens(p) {
			return 0
		}
		return most * next().unit()
	}
	p := plan{
		masters: 1 + 2*next().below(2),
		agents:  3 + next().below(4), roomPerAgent: 1 + next().below(2), pools: 1 + next().below(2), operators: 1,
		chaos: time.Minute + next().between(0, 5*time.Minute), faults: 3 + next().below(12),
		crashes: sometimes(0.5, 1), badStarts: sometimes(0.3, 0.3), badNodes: sometimes(0.2, 0.5),
	}
	if next().happens(0.4) {
		p.operators = 2
	}
	p.maxReplicas = max(1, p.agents*p.roomPerAgent/p.pools)
	p.maxReplicas = min(p.maxReplicas, 5)
	if next().happens(0.3) {
		p.drainTimeout = next().between(20*time.Second, 3*time.Minute)
	}
	if next().happens(0.3) {
		p.replaceAfter = next().between(time.Minute, 4*time.Minute)
	}
	if next().happens(0.5) {
		p.pods = 1 + next().below(6)
		p.budget = next().below(3)
	}
	p.electAfter = next().between(time.Second, 20*time.Second)
	p.recovery = next().between(0, 5*time.Second)
	p.agentReturn = next().between(time.Second, 30*time.Second)
	p.rates = failureRates{
		failBefore: sometimes(0.4, 0.15), failAfter: sometimes(0.4, 0.1), slowCalls: sometimes(0.4, 0.1), slowWatches: sometimes(0.5, 0.3),
		cutConnections: sometimes(0.4, 0.04), silentConnections: sometimes(0.2, 0.01), slowMessages: sometimes(0.4, 0.2),
	}
	if next().happens(0.35) {
		p.rollouts = 1 + next().below(5)
	}
	return p
}

// String is the plan on one line.
func (p plan) String() string {
	return fmt.Sprintf("%d masters, %d agents with room for %d, %d pools of up to %d, %d operators, %d pods (%d may be away), drain timeout %s, replaced after %s, crashes %.2f, bad starts %.2f, bad nodes %.2f, %d blows and %d rollouts in %s, weather %+v",
		p.masters, p.agents, p.roomPerAgent, p.pools, p.maxReplicas, p.operators, p.pods, p.budget, p.drainTimeout, p.replaceAfter,
		p.crashes, p.badStarts, p.badNodes, p.faults, p.rollouts, p.chaos, p.rates)
}
