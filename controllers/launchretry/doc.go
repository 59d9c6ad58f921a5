// Package launchretry decides when, and without which agents, the launch of a node is tried again
// after an attempt that never became a Node.
//
// It is pure. It refuses to know how an attempt is made, and what becomes of a node that had
// registered. The controller of MesosNodes calls it.
package launchretry
