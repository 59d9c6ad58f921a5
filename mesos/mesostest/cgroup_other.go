//go:build !linux

package mesostest

import "errors"

// cgroup is a container's, which is nothing where there is no Linux.
type cgroup struct{}

func makeCgroup(root string, _ Container) (*cgroup, error) {
	if root != "" {
		return nil, errors.New("cgroups need Linux")
	}
	return nil, nil
}

func removeCgroupRoot(string) {}

func (l ProcessLauncher) recoverCgroups([]string) error { return nil }

func (g *cgroup) files() []string { return nil }

func (g *cgroup) destroy() error { return nil }

func (g *cgroup) oomed() bool { return false }
