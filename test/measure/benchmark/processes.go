package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// memory is the memory of a process in MiB: resident, of that anonymous, and the proportional set
// size, in which shared pages are divided among their users.
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

// peakOf returns the peak resident memory of a process, in MiB.
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

// mebibytes returns a field in KiB converted to MiB.
func mebibytes(content, field string) (float64, error) {
	_, after, _ := strings.Cut(content, "\n"+field)
	words := strings.Fields(after)
	if len(words) == 0 {
		return 0, fmt.Errorf("no %s", field)
	}
	kib, err := strconv.ParseFloat(words[0], 64)
	return kib / 1024, err
}

// clockTick is the unit of times in /proc. It is the same on all architectures that Go supports.
const clockTick = 10 * time.Millisecond

// cpuTime returns the CPU time that a process has used.
func cpuTime(pid int) (time.Duration, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, fmt.Errorf("reading the CPU time of process %d: %w", pid, err)
	}
	// The name, in parentheses, may contain anything. After it, time in user mode is the 12th
	// field, and in the kernel the 13th.
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
