package timers

import "time"

// Timing holds the durations and limits of the scheduler. Zero fields take their defaults, which
// are in parentheses.
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
	// same again (2 m). A new demand clears it. An agent that refused a task because it
	// drains is avoided for as long.
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
	// ReconcileTimeout is how long launches wait for tasks that the master does not answer for
	// (30 s). After a fail-over of the master silence is normal for ten minutes.
	ReconcileTimeout time.Duration
	// ImplicitInterval is the time between implicit task reconciliations, between questions about
	// tasks in an uncertain state, and between inverse offers for the same agent (15 m).
	ImplicitInterval time.Duration
	// LaunchTimeout is how long a launch may go without an update before the master is asked
	// about it (30 s).
	LaunchTimeout time.Duration
	// FailureDelay is how long after a FAILURE event the master is asked about its tasks
	// (5 s).
	FailureDelay time.Duration
	// Kill is the back-off between KILLs (5 s to 1 m).
	Kill Backoff
	// KillGrace is how long a task that is killed has to end before its agent is told to shut
	// its executor down (1 m). It is longer than the grace period of the task's kill policy,
	// so that a KILL may get lost and another one take effect.
	KillGrace time.Duration
	// Prepare is the back-off of a group after a payload could not be prepared (1 s to 1 m).
	Prepare Backoff
	// MaintenanceLead is how long before a maintenance window its agent is no longer used (1 h).
	MaintenanceLead time.Duration
	// CallsPerSecond limits the calls other than ACKNOWLEDGE (1,000), and CallBurst is how
	// many may go at once (2,000).
	CallsPerSecond float64
	CallBurst      int
	// MaxPreparing bounds the intents that are being prepared at once (1,000). It begins
	// small, grows while intents are ready soon, shrinks while they are not, and is halved
	// when their offers must go before: how fast the store is shows only in how
	// long each takes.
	MaxPreparing int
}

func setDefault[T comparable](x *T, value T) {
	var zero T
	if *x == zero {
		*x = value
	}
}

// WithDefaults returns the durations and limits with defaults for what is not set.
func (t Timing) WithDefaults() Timing {
	setDefault(&t.Subscribe, Backoff{Initial: time.Second, Max: 15 * time.Second})
	setDefault(&t.StableAfter, 30*time.Second)
	setDefault(&t.MissedHeartbeats, 5)
	setDefault(&t.Store, Backoff{Initial: time.Second, Max: 30 * time.Second})
	setDefault(&t.PlanDelay, 20*time.Millisecond)
	setDefault(&t.OfferHold, 2*time.Second)
	setDefault(&t.PrepareTimeout, 5*time.Second)
	setDefault(&t.DeclineFilter, 2*time.Minute)
	setDefault(&t.ShortDeclineFilter, 5*time.Second)
	setDefault(&t.SuppressDelay, 2*time.Second)
	setDefault(&t.Revive, Backoff{Initial: 5 * time.Second, Max: 2 * time.Minute})
	setDefault(&t.ReviveInterval, time.Second)
	setDefault(&t.Reconcile, Backoff{Initial: 5 * time.Second, Max: 5 * time.Minute})
	setDefault(&t.ReconcileTimeout, 30*time.Second)
	setDefault(&t.ImplicitInterval, 15*time.Minute)
	setDefault(&t.LaunchTimeout, 30*time.Second)
	setDefault(&t.FailureDelay, 5*time.Second)
	setDefault(&t.Kill, Backoff{Initial: 5 * time.Second, Max: time.Minute})
	setDefault(&t.KillGrace, time.Minute)
	setDefault(&t.Prepare, Backoff{Initial: time.Second, Max: time.Minute})
	setDefault(&t.MaintenanceLead, time.Hour)
	setDefault(&t.CallsPerSecond, 1000)
	setDefault(&t.CallBurst, 2000)
	setDefault(&t.MaxPreparing, 1000)
	return t
}
