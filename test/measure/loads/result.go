package loads

import (
	"fmt"
	"slices"
	"time"
)

// Result is how it went.
type Result struct {
	// Lasted is for how long, in virtual time.
	Lasted time.Duration
	// Created and Removed nodes, and pods that were Evicted from these.
	Created, Removed, Evicted int
	// Left are the nodes at the end.
	Left int
	// Asked is what the pods that ran asked for, Had what the nodes had, and Ideal what the
	// fewest nodes would have had that could hold all pods; in cpu hours.
	Asked, Had, Ideal float64

	waited []time.Duration
}

// Used is the share of the nodes' cpus that pods asked for, in percent.
func (a *Result) Used() float64 { return 100 * a.Asked / max(a.Had, 1e-9) }

// Excess is how much more the nodes had than the fewest would have had, in percent.
func (a *Result) Excess() float64 { return 100 * (a.Had/max(a.Ideal, 1e-9) - 1) }

// Churn is how many nodes came and went in an hour.
func (a *Result) Churn() float64 { return float64(a.Created+a.Removed) / a.Lasted.Hours() }

// Waited is the time after which a share of the pods had a place.
func (a *Result) Waited(share float64) time.Duration {
	if len(a.waited) == 0 {
		return 0
	}
	slices.Sort(a.waited)
	return a.waited[min(int(share*float64(len(a.waited))), len(a.waited)-1)]
}

func (a *Result) String() string {
	return fmt.Sprintf("%d nodes created, %d removed, %.1f an hour; %d pods evicted; %.0f %% used, %.0f %% more than the fewest; pods waited %s (p50), %s (p99)",
		a.Created, a.Removed, a.Churn(), a.Evicted, a.Used(), a.Excess(), a.Waited(0.5), a.Waited(0.99))
}
