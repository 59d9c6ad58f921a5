//go:build !linux

package kubelet

import (
	"context"
	"errors"
	"os"
	"syscall"
)

// ground is what the kernel gives a node. Only Linux has one for real containers.
type ground struct{}

var errNotLinux = errors.New("nodes of real containers need Linux")

func survey(string, layout) (*ground, error) { return nil, errNotLinux }
func (g *ground) note(*record, string)       {}
func (g *ground) take(float64, int64) error  { return nil }
func (g *ground) cgroupRoot() string         { return "" }
func (g *ground) mountNamespace() *os.File   { return nil }
func (g *ground) cpuQuota() bool             { return false }

func (g *ground) keepStandIns(context.Context, func(error)) {}

func (g *ground) containers() []container           { return nil }
func (g *ground) clear(r *record, dir string) error { return r.remove(dir) }

func inMounts(_ *os.File, do func() error) error { return do() }

// EnterPrivateMounts does nothing: there is no such thing here.
func EnterPrivateMounts() error { return nil }

func readMachine(string) (Machine, error) {
	return Machine{}, errors.New("reading the machine's size: the kubelet runs on Linux only")
}

func checkExecutable(string) error { return nil }

func (c container) hears() hearing        { return catches }
func (c container) signal(syscall.Signal) {}

func mayLowerOOMScore() bool { return false }

// remove deletes the node's folder; nothing else is made here.
func (r *record) remove(dir string) error { return os.RemoveAll(dir) }
