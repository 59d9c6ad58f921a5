// Package placement matches demands to offers. One call of Plan takes everything that is
// wanted and everything that is offered. For each demand it returns a place, with the
// resources to take from the offers, or the reasons why every agent was refused.
//
// It is arithmetic. It knows no clock, no connection and no state from one call to the
// next. When to plan, when to decline an offer and what to do about a match is decided by
// mesos/scheduler, its only caller. The controllers use its types to describe what they
// want and to read what the cluster has room for.
//
// Demands that differ only in their IDs form a class. An agent that refused a class is not
// considered for it again in the same cycle, so that ten thousand like demands cost little
// more than one.
package placement
