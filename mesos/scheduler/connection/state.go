package connection

// State is what is known of the registration.
type State struct {
	// Subscribed means that there is a stream, and that the master accepted the
	// subscription.
	Subscribed bool
	// Reconciled means that the master was asked for all tasks, and that launches may
	// follow.
	Reconciled    bool
	FrameworkID   string
	Master        string // host:port of the leading master
	MasterVersion string
	// Reason is one of StateReasons; empty only in the zero State.
	Reason StateReason
	// Message is for a person.
	Message string
	// Final means that the session has ended, and nothing but a new one helps.
	Final bool
	// Divergence is what the master keeps although something else is wanted, for a person:
	// "user root, not nobody". Empty if nothing is.
	Divergence string
	// AgentFailures changes whenever what scheduler.Core.AgentFailures returns does.
	AgentFailures uint64
}
