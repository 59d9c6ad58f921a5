//go:build !linux

package machine

import "errors"

// Read fails: the kubelet runs on Linux only.
func Read(string) (Machine, error) {
	return Machine{}, errors.New("reading the machine's size: the kubelet runs on Linux only")
}

// CheckExecutable looks at nothing here.
func CheckExecutable(string) error { return nil }

// ResetUmask changes nothing here.
func ResetUmask() {}

// CloseToOthers changes nothing here.
func CloseToOthers(string) error { return nil }

// RaiseLimits raises nothing here.
func RaiseLimits() error { return nil }

// CanLowerOOMScore reports false here.
func CanLowerOOMScore() bool { return false }
