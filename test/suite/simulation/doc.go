// Package simulation runs the whole of k8sm in virtual time: the real controllers in
// the real manager, the real session and core, against a Mesos cluster in a box, an
// API server in memory and small fake kubelets. One seed determines one schedule: the
// size of the world, which faults are injected and when, and how long each message
// takes. After a time with faults all of them are healed, and everything has to converge.
//
// Random decisions are made by hashing the seed with the name of a message. No sequence of
// random numbers is shared, so a schedule stays the same when goroutines race within one
// instant of virtual time; messages that are a nanosecond apart do not race.
//
// The invariants of docs/faults.md are checked at every write to the API server, every
// call to the master and every step of an executor. A seed that breaks one prints what
// happened, and the command that runs it again.
//
// The package only uses what the product exports. Planted faults replace text in the
// product's sources while a test binary is built; the sources stay as they are.
package simulation
