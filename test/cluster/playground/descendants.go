package playground

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// children maps each process to its child processes.
func children() map[int][]int {
	tree := map[int][]int{}
	entries, _ := os.ReadDir("/proc")
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			continue
		}
		// The name, in parentheses, may contain anything.
		_, rest, ok := strings.Cut(string(stat[max(0, strings.LastIndexByte(string(stat), ')')):]), ") ")
		fields := strings.Fields(rest)
		if !ok || len(fields) < 2 {
			continue
		}
		if parent, err := strconv.Atoi(fields[1]); err == nil {
			tree[parent] = append(tree[parent], pid)
		}
	}
	return tree
}

// StartedBy returns the descendants of a process.
func StartedBy(pid int) []int { return startedBy(pid, nil) }

func startedBy(pid int, known map[int]bool) []int {
	tree := children()
	var found []int
	for queue := tree[pid]; len(queue) > 0; queue = queue[1:] {
		if known[queue[0]] {
			continue
		}
		found = append(found, queue[0])
		queue = append(queue, tree[queue[0]]...)
	}
	return found
}

// descendants of this process that are not in known. As it adopts the orphans of
// its children (see adoptOrphans), these are all that the run ever started.
func descendants(known map[int]bool) []int { return startedBy(os.Getpid(), known) }

// endDescendants kills and reaps the descendants of this process that are not in known.
func endDescendants(known map[int]bool, patience time.Duration) error {
	for deadline := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		left := descendants(known)
		if len(left) == 0 {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("killing processes that the run started: %v do not end", left)
		}
		for _, pid := range left {
			_ = syscall.Kill(pid, syscall.SIGKILL)
			_, _ = syscall.Wait4(pid, nil, syscall.WNOHANG, nil)
		}
	}
}
