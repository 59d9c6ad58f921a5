//go:build !linux

package container

// awaitExit says that it cannot wait without reaping.
func awaitExit(int) bool { return false }
