// Package nodemodel is what all controllers must understand alike about a MesosNode, its
// Mesos task and its Node: task IDs and provider IDs, labels, resources in Mesos' units, the
// demand for an agent, and what a node's conditions mean.
//
// Everything in it is a pure function of its arguments. It refuses to know clients, clocks
// and what is to be done about a node: that is up to the controllers, which call it and
// never each other.
package nodemodel
