// Package placement matches demands to offers. One pass takes all that is wanted and
// all that is offered, and gives for each demand a place, with the very resources to
// take, or the reasons why every agent was refused.
//
// It is arithmetic: it knows no time but the one that it is given, no connection, no
// state from one pass to the next. What an intent is, when an offer is declined and
// who acts on a match is mesos/framework's, its only caller; the controllers use its
// types to say what they want.
//
// Demands that are alike form a class, and an agent that refused a class is not asked
// again in that pass, so that ten thousand like demands cost little more than one.
package placement
