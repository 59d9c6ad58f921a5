// Package roles holds what the master was last sent about each role of the framework:
// whether offers are suppressed or asked for, with which offer constraints, and when that
// may be sent again. It does not know the demands, and sends nothing: mesos/scheduler
// sends REVIVE and SUPPRESS when the timers of this package expire.
package roles
