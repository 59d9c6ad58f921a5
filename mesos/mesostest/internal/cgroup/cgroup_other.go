//go:build !linux

package cgroup

import "errors"

// Group is a container's, which is nothing where there is no Linux.
type Group struct{}

// Make makes no cgroup, and fails with a root.
func Make(root, _ string, _ Limits) (*Group, error) {
	if root != "" {
		return nil, errors.New("cgroups need Linux")
	}
	return nil, nil
}

// RemoveRoot does nothing.
func RemoveRoot(string) {}

// Recover does nothing.
func Recover(string, []string) error { return nil }

// ProcsFiles returns none.
func (g *Group) ProcsFiles() []string { return nil }

// Destroy does nothing.
func (g *Group) Destroy() error { return nil }

// HasOOM is always false.
func (g *Group) HasOOM() bool { return false }
