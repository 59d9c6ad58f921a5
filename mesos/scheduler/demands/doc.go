// Package demands holds the tasks that are wanted and not launched yet: in which order they
// wait, why they wait, which task IDs were used lately, and which groups back off after a
// failure. It does not know offers, roles or the master: mesos/scheduler decides what
// becomes of a demand and reports it here.
package demands
