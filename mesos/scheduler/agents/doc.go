// Package agents remembers on which agents tasks failed, and decides how long each of them is
// left alone. It counts the tasks of all groups together, those that ran for a while and those
// that never started, so that no group tries again what another one has just seen fail.
//
// It does not know offers, demands or the master: mesos/scheduler reports to it what was
// launched and what became of that, passes its answer to mesos/placement, and hands the
// failures out to be stored, because Mesos does not remember them.
package agents
