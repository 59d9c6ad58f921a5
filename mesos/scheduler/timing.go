package scheduler

import (
	"math/rand/v2"
	"time"
)

// Timing is how long the core waits for what. Zero fields take their defaults.
type Timing struct {
	// Subscribe is the back-off between attempts to subscribe (1 s to 15 s).
	Subscribe Backoff
	// Steady is how long a stream must have lived for the back-off to begin anew (30 s).
	Steady time.Duration
	// MissedHeartbeats before a stream is given up (5).
	MissedHeartbeats int
	// Store is the back-off between attempts to store something (1 s to 30 s).
	Store Backoff
	// Gather is how long demands and offers are collected before they are matched
	// (20 ms).
	Gather time.Duration
	// Hold is how long an offer that nothing fits is kept for demands to come (2 s).
	Hold time.Duration
	// Bound is how long an offer is held for intents to be prepared, in all (5 s).
	Bound time.Duration
	// Decline is for how long an agent whose offer nobody wanted need not offer the
	// same again (2 m). A new demand clears it. An agent that turned a task away because it
	// drains is left alone for as long.
	Decline time.Duration
	// Pass is the same for an offer that is refused for a passing reason (5 s).
	Pass time.Duration
	// Linger is how long offers keep coming once nothing is wanted (2 s).
	Linger time.Duration
	// Revive is the back-off between REVIVEs while something is wanted (5 s to 2 m).
	Revive Backoff
	// Breath is the least time between two REVIVEs of a role (1 s).
	Breath time.Duration
	// Reconcile is the back-off between rounds of explicit task reconciliation (5 s to
	// 5 m).
	Reconcile Backoff
	// Patience is how long launches wait for tasks of which the master says nothing
	// (30 s). After a fail-over of the master silence is normal for ten minutes.
	Patience time.Duration
	// Implicit is the time between implicit task reconciliations, between questions after
	// tasks in doubt, and between inverse offers of the same (15 m).
	Implicit time.Duration
	// Confirm is how long a launch may go without an update before it is asked for (30 s).
	Confirm time.Duration
	// Hint is how long after a FAILURE event the tasks concerned are asked for (5 s).
	Hint time.Duration
	// Kill is the back-off between KILLs (5 s to 1 m).
	Kill Backoff
	// Retry is the back-off of a group after a payload could not be prepared (1 s to 1 m).
	Retry Backoff
	// Lead is how long before a maintenance window its agent is no longer used (1 h).
	Lead time.Duration
	// CallsPerSecond bounds calls other than ACKNOWLEDGE (1,000), and Burst is how many
	// may go at once (2,000).
	CallsPerSecond float64
	Burst          int
	// Preparing bounds the intents that are being prepared at once (1,000). It begins
	// small, grows while intents are ready soon, shrinks while they are not, and is halved
	// when their offers must go before: how fast the store is, only experience tells.
	Preparing int
}

// Backoff grows from First to Most, twice as long each time.
type Backoff struct {
	First time.Duration
	Most  time.Duration
}

// after is how long to wait after so many failures before this one.
func (b Backoff) after(failures int) time.Duration {
	d := b.First
	for range failures {
		if d *= 2; d >= b.Most {
			return b.Most
		}
	}
	return min(d, b.Most)
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
	orElse(&t.Steady, 30*time.Second)
	orElse(&t.MissedHeartbeats, 5)
	orElse(&t.Store, Backoff{time.Second, 30 * time.Second})
	orElse(&t.Gather, 20*time.Millisecond)
	orElse(&t.Hold, 2*time.Second)
	orElse(&t.Bound, 5*time.Second)
	orElse(&t.Decline, 2*time.Minute)
	orElse(&t.Pass, 5*time.Second)
	orElse(&t.Linger, 2*time.Second)
	orElse(&t.Revive, Backoff{5 * time.Second, 2 * time.Minute})
	orElse(&t.Breath, time.Second)
	orElse(&t.Reconcile, Backoff{5 * time.Second, 5 * time.Minute})
	orElse(&t.Patience, 30*time.Second)
	orElse(&t.Implicit, 15*time.Minute)
	orElse(&t.Confirm, 30*time.Second)
	orElse(&t.Hint, 5*time.Second)
	orElse(&t.Kill, Backoff{5 * time.Second, time.Minute})
	orElse(&t.Retry, Backoff{time.Second, time.Minute})
	orElse(&t.Lead, time.Hour)
	orElse(&t.CallsPerSecond, 1000)
	orElse(&t.Burst, 2000)
	orElse(&t.Preparing, 1000)
	return t
}
