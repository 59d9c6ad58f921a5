//go:build !linux

package container

// awaitExit returns false: there is no way to wait without reaping.
func awaitExit(int) bool { return false }
