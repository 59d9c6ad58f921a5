// Package tasks holds the tasks that may be alive: where they run, which statuses wait to
// be recorded, which the master has yet to answer for, and which are to be killed. It sends
// nothing and records nothing: mesos/scheduler turns what this package answers into calls
// and into work for its caller.
package tasks
