// Package scheduler is the core of a Mesos framework: what to say to the master, and
// when. It holds what is wanted, what is offered and what runs; it decides what is
// launched where, recorded, acknowledged, asked about and killed.
//
// It is a state machine without clock, goroutine, socket or store. Inputs are method
// calls that carry the time; output is one Ready, whose fields say what the caller does
// with each and in which order; then the caller calls Advance. The caller is
// mesos/session over real sockets, or a simulation.
//
// It refuses to know what a task is for: that one is a Kubernetes node is the business
// of whoever prepares its payload.
package scheduler
