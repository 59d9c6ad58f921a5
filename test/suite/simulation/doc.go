// Package simulation runs the whole of k8sm in virtual time: the real controllers in
// the real manager, the real session and core, against a Mesos cluster in a box, an
// API server in memory and kubelets that are a few lines each. One seed is one
// schedule: it says what the world is made of, what befalls it and when, and how long
// each message takes. After the chaos comes calm, in which everything has to converge.
//
// Chance decides by hashing the seed with what a message is about, never by drawing
// from a stream in the order of arrival: a schedule stays the same wherever goroutines
// race within one instant, and messages that are a nanosecond apart do not race.
//
// The invariants of docs/faults.md are checked at every write to the API server, every
// call to the master and every step of an executor; a seed that breaks one prints what
// happened, and the command that runs it again.
//
// The package knows the product by what it exports, and changes nothing in it: planted
// faults are laid over the sources when a test binary is built.
package simulation
