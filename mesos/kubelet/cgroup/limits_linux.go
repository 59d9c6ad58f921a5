package cgroup

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// limit is a file by which a container is held to its part of the machine.
type limit struct {
	file  string
	unset string // the kernel's own value, which limits nothing
	value int64
}

// SetLimits holds the container to its allocation (cores, bytes) where the agent does not:
// without Mesos' isolators cgroups/cpu and cgroups/mem there are none, and a node would use
// the resources of its neighbours. The values are the ones that the isolators set, and a limit
// that is set already is left alone.
func (c *Container) SetLimits(cpus float64, memory int64) error {
	limits := []limit{
		{"cpu.shares", "1024", max(2, int64(cpus*1024))},
		{"memory.limit_in_bytes", strconv.FormatInt(noLimit(), 10), memory},
		{"cpu.weight", "100", min(max(1, int64(cpus*100)), 10000)},
		{"memory.max", "max", memory},
	}
	for _, dir := range c.Dirs() {
		for _, l := range limits {
			if err := l.set(dir); err != nil {
				return err
			}
		}
	}
	return nil
}

func (l limit) set(dir string) error {
	file := filepath.Join(dir, l.file)
	data, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) || err == nil && strings.TrimSpace(string(data)) != l.unset {
		return nil
	}
	if err == nil {
		err = os.WriteFile(file, strconv.AppendInt(nil, l.value, 10), 0)
	}
	if err != nil {
		return fmt.Errorf("bounding the container: %w", err)
	}
	return nil
}

// noLimit is version 1's limit of a cgroup without one: the largest number that is whole
// pages.
func noLimit() int64 { return math.MaxInt64 / int64(os.Getpagesize()) * int64(os.Getpagesize()) }
