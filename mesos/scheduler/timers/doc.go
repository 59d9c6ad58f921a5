// Package timers holds what the scheduler does later: a queue of timers by time, and the
// back-off between attempts. It does not know what a timer is for, and it reads no clock:
// time enters as a value. The state machine in mesos/scheduler and its parts call it.
package timers
