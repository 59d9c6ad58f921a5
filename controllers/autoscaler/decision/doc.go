// Package decision decides what the autoscaler does: Grow decides which nodes the pending pods
// need, Shrink which nodes are not needed. It is pure. Its input and its output are values, the
// same input gives the same output, and the cluster on which it experiments is left as it
// was. It has no clock, no client and no logger. It does not know Mesos, only how many more
// nodes of each size there is room for. The caller is controllers/autoscaler.
package decision
