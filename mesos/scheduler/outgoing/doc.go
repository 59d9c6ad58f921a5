// Package outgoing holds the calls that are to be sent to the master: how each is built,
// and a queue that limits their rate, because masters do not limit frameworks that use
// HTTP. It sends nothing itself. mesos/scheduler fills the queue and hands what may go to
// its caller.
package outgoing
