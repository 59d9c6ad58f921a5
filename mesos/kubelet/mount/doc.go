// Package mount reads the mount table, gives a node a mount namespace and mounts of its own,
// and removes folders without ever going through a mount point, so that data that is mounted
// somewhere below them lives.
//
// It refuses to know what the folders hold. The executor enters its namespace by it; the
// packages that run containers, read cgroups and sweep use the rest.
package mount

// Bind is a system path (Target) that, inside the node's mount namespace, is a folder of the
// node's own (Source), or in memory where Source is empty.
type Bind struct{ Source, Target string }
