package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// memory of a process in MiB: what of it is resident, what of that is its own data, and
// its part of all that is shared fairly.
type memory struct{ resident, anonymous, proportional float64 }

func memoryOf(pid int) (m memory, err error) {
	content, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		return m, fmt.Errorf("reading the memory of process %d: %w", pid, err)
	}
	for field, value := range map[string]*float64{"Rss:": &m.resident, "Anonymous:": &m.anonymous, "Pss:": &m.proportional} {
		if *value, err = mebibytes(string(content), field); err != nil {
			return m, fmt.Errorf("reading the memory of process %d: %w", pid, err)
		}
	}
	return m, nil
}

// peakOf is the most that was ever resident of a process, in MiB.
func peakOf(pid int) (float64, error) {
	content, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, fmt.Errorf("reading the peak memory of process %d: %w", pid, err)
	}
	peak, err := mebibytes(string(content), "VmHWM:")
	if err != nil {
		return 0, fmt.Errorf("reading the peak memory of process %d: %w", pid, err)
	}
	return peak, nil
}

// mebibytes reads a field that is told in KiB.
func mebibytes(content, field string) (float64, error) {
	_, after, _ := strings.Cut(content, "\n"+field)
	words := strings.Fields(after)
	if len(words) == 0 {
		return 0, fmt.Errorf("no %s", field)
	}
	kib, err := strconv.ParseFloat(words[0], 64)
	return kib / 1024, err
}

// clockTick is the unit of times in /proc, the same on all that Go runs on.
const clockTick = 10 * time.Millisecond

// cpuTime that a process has used.
func cpuTime(pid int) (time.Duration, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, fmt.Errorf("reading the CPU time of process %d: %w", pid, err)
	}
	// The name, in parentheses, may hold anything. From there on, time in user mode is
	// the 12th field, and in the kernel the 13th.
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	if len(fields) < 13 {
		return 0, fmt.Errorf("reading the CPU time of process %d: %d fields", pid, len(fields))
	}
	user, userErr := strconv.Atoi(fields[11])
	kernel, kernelErr := strconv.Atoi(fields[12])
	if userErr != nil || kernelErr != nil {
		return 0, fmt.Errorf("reading the CPU time of process %d: not numbers: %v", pid, fields[11:13])
	}
	return time.Duration(user+kernel) * clockTick, nil
}
