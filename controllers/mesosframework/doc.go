// Package mesosframework keeps, for each MesosFramework, one session with its Mesos cluster.
//
// The Reconciler decides whether there is to be a session, and as what: it resolves
// secrets, refuses duplicates, tears the framework down at the end, and tells in
// conditions how the session fares. [Sessions] holds those that run, and gives them to
// the controllers of nodes and pools. The store behind a session writes into the
// MesosNodes what is launched before it is launched, and what became of it before it
// is acknowledged; a payload is made of a MesosNode and of what the operator supplies.
//
// It never touches the wire: that is mesos/session's. It does not decide what is
// launched where, nor what follows from a task's end. cmd/operator builds it.
package mesosframework
