// Package replacement decides which nodes of a pool are replaced by new ones, in which order, and
// how far that may go now.
//
// [Decide] looks at one [Pool] at one moment. A node is replaced in a pair: the new node is
// created first, as far as the surge allows and Mesos has room, and the old one is removed when the
// new one is ready. Where there is no room, an old node is removed first, within the number that may be
// unavailable. All that Decide must know of what was begun is in the nodes, so that a plan is
// the same after a restart.
//
// It is pure. It does not know why a node is to be replaced, beyond the reason that the budgets go
// by, nor how pods are moved. Package disruption observes, and carries the plan out.
package replacement
