// Package launches holds the launches between a match and its ACCEPT: the intents that are
// being recorded and prepared, the batches that they go out in, and how many may be
// prepared at once. It does not know what a task is for: its payload comes from the caller
// of mesos/scheduler. It sends nothing; mesos/scheduler decides when a batch goes out.
package launches
