// Package offerconstraints encodes offer constraints (Mesos 1.11), with which the master
// leaves out the offers of agents that no demand may be placed on. mesos-go does not know
// these messages, so they are written by hand here, in protobuf.
//
// Per role the constraints are groups, one of which must hold; a group holds when all its
// attribute constraints do. They are a first filter only: placement judges the offers that
// come through. They may therefore let too much pass, and must never hold back an agent
// that a demand could use.
//
// Regular expressions are not used, because the limits on their size are flags of the
// master that no framework can read.
//
// The package does not know roles, demands or the master's version: mesos/scheduler
// decides when constraints are sent.
package offerconstraints
