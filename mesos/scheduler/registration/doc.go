// Package registration holds what the framework is registered as: what is wanted, what the
// master was last sent, and what it refused. It builds the FrameworkInfo, sends nothing,
// and does not know whether there is a connection. mesos/scheduler asks it what to send,
// and reports the master's answers.
package registration
