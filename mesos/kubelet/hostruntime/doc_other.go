//go:build !linux

// Package hostruntime lets a node use the agent's own containerd. It is empty here, since
// that needs Linux.
package hostruntime
