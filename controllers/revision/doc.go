// Package revision tells the nodes of a pool apart by what they were made of.
//
// [Of] hashes all that needs another node when it changes: the template, the runtime that its
// artifacts resolve to, and what the operator gives to every node. What reaches running nodes in
// place, and fields that are at their defaults, do not count. A MesosNode has its revision in the
// label k8sm.io/revision from its creation on; its pool has the present one in
// status.currentRevision.
//
// It is pure, and refuses to know how an outdated node is replaced, and when.
package revision
