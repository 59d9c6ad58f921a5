package loads

import (
	"fmt"
	"slices"
	"time"
)

// Result has the figures of a simulation.
type Result struct {
	// Lasted is its duration, in virtual time.
	Lasted time.Duration
	// Created and Removed count nodes, Evicted the pods evicted from removed nodes.
	Created, Removed, Evicted int
	// Left is the number of nodes at the end.
	Left int
	// Asked is the sum of the requests of running pods, Had that of the cpus of all nodes, and
	// Ideal that of the fewest nodes that could hold all pods; in cpu hours.
	Asked, Had, Ideal float64

	waited []time.Duration
}

// Used returns the share of the nodes' cpus that pods requested, in percent.
func (a *Result) Used() float64 { return 100 * a.Asked / max(a.Had, 1e-9) }

// Excess returns by how many percent the nodes' cpus exceeded Ideal.
func (a *Result) Excess() float64 { return 100 * (a.Had/max(a.Ideal, 1e-9) - 1) }

// Churn returns how many nodes were created and removed in an hour.
func (a *Result) Churn() float64 { return float64(a.Created+a.Removed) / a.Lasted.Hours() }

// Waited returns the time within which a share of the pods was placed.
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
