// Package podstate answers what draining a node, deciding about its removal and counting its
// load must answer alike about a Pod: has it ended, whose is it.
//
// It is pure. It refuses to know what is to be done about a Pod. Package drain and the
// autoscaler call it.
package podstate
