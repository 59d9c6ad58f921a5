// Package scheduler is the scheduler of a Mesos framework: it decides what is sent to the
// master, and when. It knows the tasks that are wanted, the offers and the tasks that run;
// it decides what is launched where, recorded, acknowledged, asked about and killed.
//
// It is a state machine without clock, goroutine, socket or store. Inputs are method
// calls that carry the time; output is one Ready, whose fields describe what the caller
// does with each and in which order; then the caller calls Advance. The caller is
// mesos/session over real sockets, or a simulation.
//
// Core routes between parts that own their state. Parts without knowledge of the others are
// packages below this one: connection, registration, timers, offers, demands, roles,
// launches, tasks, capacity, maintenance, outgoing and offerconstraints. Here they are
// joined: demandBook owns what is wanted and in which roles offers come for it, launcher the
// way from an offer to ACCEPT, and taskTracker what becomes of a task afterwards.
//
// The package does not know what a task is for: that one is a Kubernetes node is known only
// to the caller that prepares its payload.
package scheduler
