//go:build !linux

package mesostest

// awaitExit says that it cannot wait without reaping.
func awaitExit(int) bool { return false }
