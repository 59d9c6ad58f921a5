package connection

import "slices"

// StateReason is why a State is as it is, in one word. The constants below are all that
// a State may have: callers that translate them may rely on StateReasons.
type StateReason string

// The reasons of a State.
const (
	// Subscribed: the master accepted the subscription, and the tasks are reconciled.
	Subscribed StateReason = "Subscribed"
	// Connecting: an attempt to subscribe is under way, or due.
	Connecting StateReason = "Connecting"
	// ReconcilingTasks: the master accepted the subscription, and has not yet answered for
	// all tasks.
	ReconcilingTasks StateReason = "ReconcilingTasks"
	// MasterUnreachable: no connection to a master was made, or the stream broke off.
	MasterUnreachable StateReason = "MasterUnreachable"
	// NoLeader: the masters, or ZooKeeper, answer that no master leads.
	NoLeader StateReason = "NoLeader"
	// NotLeading: this process may not subscribe, because another replica of it leads.
	NotLeading StateReason = "NotLeading"
	// TooManyRedirects: the masters redirect to each other without end.
	TooManyRedirects StateReason = "TooManyRedirects"
	// Unauthorized: the master refuses the credentials.
	Unauthorized StateReason = "Unauthorized"
	// MasterCertificateInvalid: the certificate of a master is not accepted here.
	MasterCertificateInvalid StateReason = "MasterCertificateInvalid"
	// ClientCertificateRefused: a master refuses our certificate, or that there is none.
	ClientCertificateRefused StateReason = "ClientCertificateRefused"
	// ConnectionClosed: a master closes TLS connections and does not say why.
	ConnectionClosed StateReason = "ConnectionClosed"
	// NotAMesosMaster: something answers at the address that is not a Mesos master.
	NotAMesosMaster StateReason = "NotAMesosMaster"
	// ProtocolError: a master answered with something that the protocol does not allow.
	ProtocolError StateReason = "ProtocolError"
	// Refused: the master rejects the registration.
	Refused StateReason = "Refused"
	// FrameworkRemoved: the framework was torn down, or its failover timeout has passed.
	FrameworkRemoved StateReason = "FrameworkRemoved"
	// FailedOver: another scheduler subscribed with the same framework ID.
	FailedOver StateReason = "FailedOver"
)

var stateReasons = []StateReason{
	Subscribed, Connecting, ReconcilingTasks, MasterUnreachable, NoLeader, NotLeading, TooManyRedirects,
	Unauthorized, MasterCertificateInvalid, ClientCertificateRefused, ConnectionClosed, NotAMesosMaster, ProtocolError, Refused, FrameworkRemoved, FailedOver,
}

// StateReasons returns every reason that a State may have.
func StateReasons() []StateReason { return slices.Clone(stateReasons) }
