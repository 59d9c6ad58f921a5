package cgroup

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// podsName is the kubelet's name for the cgroup of all pods.
const podsName = "kubepods"

// Limits reads what the container is limited to at present. An agent may change that while
// the container runs.
func (c *Container) Limits() (Limits, error) {
	var found Limits
	for _, dir := range c.Dirs() {
		for _, file := range []struct {
			name string
			to   *int64
		}{{"memory.limit_in_bytes", &found.Memory}, {"memory.max", &found.Memory}, {"cpu.shares", &found.CPUShares}, {"cpu.weight", &found.CPUShares}} {
			n, err := readNumber(filepath.Join(dir, file.name))
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			if err != nil {
				return Limits{}, fmt.Errorf("reading the container's limits: %w", err)
			}
			*file.to = n
		}
	}
	if found.Memory >= noLimit() {
		found.Memory = 0
	}
	return found, nil
}

// readNumber reads a file of a cgroup; "max" is 0.
func readNumber(file string) (int64, error) {
	data, err := os.ReadFile(file)
	text := strings.TrimSpace(string(data))
	if err != nil || text == "max" {
		return 0, err
	}
	return strconv.ParseInt(text, 10, 64)
}

// BoundPods bounds the memory of all pods together, in bytes: they are slowed down beyond high
// (version 2 only; 0: nowhere), and killed beyond limit. The kubelet sets a limit when it starts, and
// this has to be called again and again. Before there are pods it does nothing.
func (c *Container) BoundPods(limit, high int64) error {
	if limit <= 0 {
		return nil
	}
	var problems []error
	for _, dir := range c.Dirs() {
		pods := filepath.Join(dir, podsName)
		upper := "max"
		if high > 0 {
			upper = strconv.FormatInt(pages(high), 10)
		}
		problems = append(problems,
			change(filepath.Join(pods, "memory.high"), upper),
			change(filepath.Join(pods, "memory.max"), strconv.FormatInt(pages(limit), 10)),
			limitPods(pods, pages(limit)))
	}
	return errors.Join(problems...)
}

// limitPods sets the limit of version 1, which the kernel refuses as long as more is in use
// and can't be reclaimed. Then the limit is what is in use: from there the kubelet evicts.
func limitPods(pods string, limit int64) error {
	file := filepath.Join(pods, "memory.limit_in_bytes")
	err := change(file, strconv.FormatInt(limit, 10))
	if !errors.Is(err, unix.EBUSY) {
		return err
	}
	used, err := readNumber(filepath.Join(pods, "memory.usage_in_bytes"))
	if err != nil {
		return fmt.Errorf("bounding pods: %w", err)
	}
	present, err := readNumber(file)
	if near := pages(used) + 1<<20; err != nil || near >= present {
		return err
	} else if err := change(file, strconv.FormatInt(near, 10)); !errors.Is(err, unix.EBUSY) {
		return err
	}
	return nil // it grows; the next call tries again
}

// change writes a file of a cgroup unless it has the value or is not there.
func change(file, value string) error {
	present, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENODEV) || err == nil && strings.TrimSpace(string(present)) == value {
		return nil
	}
	if err == nil {
		err = os.WriteFile(file, []byte(value), 0)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("bounding pods: %w", err)
	}
	return nil
}

// pages rounds bytes down to whole pages, as the kernel does.
func pages(bytes int64) int64 { return bytes / int64(os.Getpagesize()) * int64(os.Getpagesize()) }
