// Package capacity remembers what agents have: what each offered last, what the master
// reported of all of them, and how many tasks of a group each runs. It decides nothing: it
// answers what could be placed, to callers that have yet to decide what they want.
// mesos/scheduler reports to it what it sees.
package capacity
