package scheduler

import (
	"math/rand/v2"
	"time"
)

// Timing is how long the core waits for what. Zero fields take their defaults.
type Timing struct {
	// Subscribe is the back-off between attempts to subscribe (1 s to 15 s).
	Subscribe Backoff
	// StableAfter is how long a stream must have lived for the back-off to begin anew (30 s).
	StableAfter time.Duration
	// MissedHeartbeats before a stream is given up (5).
	MissedHeartbeats int
	// Store is the back-off between attempts to store something (1 s to 30 s).
	Store Backoff
	// PlanDelay is how long demands and offers are collected before they are matched
	// (20 ms).
	PlanDelay time.Duration
	// OfferHold is how long an offer that nothing fits is kept for demands to come (2 s).
	OfferHold time.Duration
	// PrepareTimeout is how long an offer is held for intents to be prepared, in all (5 s).
	PrepareTimeout time.Duration
	// DeclineFilter is for how long an agent whose offer nobody wanted need not offer the
	// same again (2 m). A new demand clears it. An agent that turned a task away because it
	// drains is left alone for as long.
	DeclineFilter time.Duration
	// ShortDeclineFilter is the same for an offer that is refused for a passing reason (5 s).
	ShortDeclineFilter time.Duration
	// SuppressDelay is how long offers keep coming once nothing is wanted (2 s).
	SuppressDelay time.Duration
	// Revive is the back-off between REVIVEs while something is wanted (5 s to 2 m).
	Revive Backoff
	// ReviveInterval is the least time between two REVIVEs of a role (1 s).
	ReviveInterval time.Duration
	// Reconcile is the back-off between rounds of explicit task reconciliation (5 s to
	// 5 m).
	Reconcile Backoff
	// ReconcileTimeout is how long launches wait for tasks of which the master says nothing
	// (30 s). After a fail-over of the master silence is normal for ten minutes.
	ReconcileTimeout time.Duration
	// ImplicitInterval is the time between implicit task reconciliations, between questions after
	// tasks in doubt, and between inverse offers of the same (15 m).
	ImplicitInterval time.Duration
	// LaunchTimeout is how long a launch may go without an update before it is asked for (30 s).
	LaunchTimeout time.Duration
	// FailureDelay is how long after a FAILURE event the tasks concerned are asked for (5 s).
	FailureDelay time.Duration
	// Kill is the back-off between KILLs (5 s to 1 m).
	Kill Backoff
	// Prepare is the back-off of a group after a payload could not be prepared (1 s to 1 m).
	Prepare Backoff
	// MaintenanceLead is how long before a maintenance window its agent is no longer used (1 h).
	MaintenanceLead time.Duration
	// CallsPerSecond bounds calls other than ACKNOWLEDGE (1,000), and Burst is how many
	// may go at once (2,000).
	CallsPerSecond float64
	CallBurst      int
	// MaxPreparing bounds the intents that are being prepared at once (1,000). It begins
	// small, grows while intents are ready soon, shrinks while they are not, and is halved
	// when their offers must go before: how fast the store is, only experience tells.
	MaxPreparing int
}

// Backoff grows from First to Most, twice as long each time.
type Backoff struct {
	Initial time.Duration
	Max     time.Duration
}

// after is how long to wait after so many failures before this one.
func (b Backoff) after(failures int) time.Duration {
	d := b.Initial
	for range failures {
		if d *= 2; d >= b.Max {
			return b.Max
		}
	}
	return min(d, b.Max)
}

// jittered is between half of d and d, so that many clients do not come at once.
func jittered(r *rand.Rand, d time.Duration) time.Duration {
	if d < 2 {
		return d
	}
	return d/2 + time.Duration(r.Int64N(int64(d/2)))
}

func orElse[T comparable](x *T, otherwise T) {
	var zero T
	if *x == zero {
		*x = otherwise
	}
}

func (t Timing) withDefaults() Timing {
	orElse(&t.Subscribe, Backoff{time.Second, 15 * time.Second})
	orElse(&t.StableAfter, 30*time.Second)
	orElse(&t.MissedHeartbeats, 5)
	orElse(&t.Store, Backoff{time.Second, 30 * time.Second})
	orElse(&t.PlanDelay, 20*time.Millisecond)
	orElse(&t.OfferHold, 2*time.Second)
	orElse(&t.PrepareTimeout, 5*time.Second)
	orElse(&t.DeclineFilter, 2*time.Minute)
	orElse(&t.ShortDeclineFilter, 5*time.Second)
	orElse(&t.SuppressDelay, 2*time.Second)
	orElse(&t.Revive, Backoff{5 * time.Second, 2 * time.Minute})
	orElse(&t.ReviveInterval, time.Second)
	orElse(&t.Reconcile, Backoff{5 * time.Second, 5 * time.Minute})
	orElse(&t.ReconcileTimeout, 30*time.Second)
	orElse(&t.ImplicitInterval, 15*time.Minute)
	orElse(&t.LaunchTimeout, 30*time.Second)
	orElse(&t.FailureDelay, 5*time.Second)
	orElse(&t.Kill, Backoff{5 * time.Second, time.Minute})
	orElse(&t.Prepare, Backoff{time.Second, time.Minute})
	orElse(&t.MaintenanceLead, time.Hour)
	orElse(&t.CallsPerSecond, 1000)
	orElse(&t.CallBurst, 2000)
	orElse(&t.MaxPreparing, 1000)
	return t
}
