//go:build !linux

package cgroup

import "errors"

// Group is a container's, which is nothing where there is no Linux.
type Group struct{}

func Make(root, _ string, _ Limits) (*Group, error) {
	if root != "" {
		return nil, errors.New("cgroups need Linux")
	}
	return nil, nil
}

func RemoveRoot(string) {}

func Recover(string, []string) error { return nil }

func (g *Group) ProcsFiles() []string { return nil }

func (g *Group) Destroy() error { return nil }

func (g *Group) HasOOM() bool { return false }
