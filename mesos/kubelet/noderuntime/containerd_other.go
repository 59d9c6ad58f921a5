//go:build !linux

package noderuntime

import (
	"errors"

	"github.com/k8sm/k8sm/mesos/kubelet/config"
	"github.com/k8sm/k8sm/mesos/kubelet/layout"
)

var errNotLinux = errors.New("nodes of real containers need Linux")

// NewOwnContainerd fails: real containers need Linux.
func NewOwnContainerd(string, layout.Layout, config.Containerd) (Runtime, error) {
	return nil, errNotLinux
}

// NewHostContainerd fails: real containers need Linux.
func NewHostContainerd(string, layout.Layout, string) (Runtime, error) { return nil, errNotLinux }
