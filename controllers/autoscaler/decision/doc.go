// Package decision decides what the autoscaler does: Grow, which nodes the pending pods
// need; Shrink, which nodes nobody needs. It is pure: everything it knows comes in as a
// value, what it decides goes out as one, the same for the same input, and the cluster that
// it tries things on is left as it was. It has no clock, no client and no logger; it doesn't
// know what Mesos is, only how much room there is for each shape of node. The caller is
// controllers/autoscaler.
package decision
