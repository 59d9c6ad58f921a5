package playground

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// inventory lists the mounts, network interfaces and namespaces of the machine at one time.
type inventory map[string]bool

// takeInventory lists what other programs also create, so only what is new since the last
// inventory counts.
func takeInventory() inventory {
	found := inventory{}
	for _, m := range mounts() {
		found[fmt.Sprintf("mount %s (%s)", m.path, m.kind)] = true
	}
	links, _ := net.Interfaces()
	for _, link := range links {
		found["network interface "+link.Name] = true
	}
	entries, _ := os.ReadDir("/run/netns")
	for _, entry := range entries {
		found["network namespace "+entry.Name()] = true
	}
	return found
}

// findLeftovers lists what exists now and did not exist before the run.
func (p *Playground) findLeftovers() []string {
	var left []string
	for thing := range takeInventory() {
		if !p.before[thing] && p.isOfThisRun(thing) {
			left = append(left, thing)
		}
	}
	for _, path := range p.hostPaths.present() {
		left = append(left, "file "+path)
	}
	for _, folder := range p.cgroups.folders() {
		left = append(left, "cgroup "+folder)
	}
	for pid, command := range processesMentioning(p.dir.path, p.cgroups.name) {
		left = append(left, fmt.Sprintf("process %d (%s)", pid, command))
	}
	if entries, err := os.ReadDir(p.dir.path); err == nil {
		for _, entry := range entries {
			if entry.Name() != "logs" || !p.keepLogs {
				left = append(left, "file "+p.dir.file(entry.Name()))
			}
		}
	}
	slices.Sort(left)
	return left
}

// isOfThisRun reports whether this run made it, and not another run at the same time.
func (p *Playground) isOfThisRun(thing string) bool {
	if strings.HasPrefix(thing, "mount ") {
		return strings.Contains(thing, p.dir.path)
	}
	if strings.HasPrefix(thing, "network interface ") {
		return strings.Contains(thing, p.ID)
	}
	return strings.HasPrefix(thing, "network namespace cni-")
}

// verifyClean returns an error with all leftovers. It waits a little first, because the
// kernel removes networks asynchronously.
func (p *Playground) verifyClean(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	err := Await(ctx, 200*time.Millisecond, func(context.Context) error {
		if left := p.findLeftovers(); len(left) > 0 {
			return fmt.Errorf("left behind:\n  %s", strings.Join(left, "\n  "))
		}
		return nil
	})
	return err
}

// processesMentioning finds processes that have one of the words in their command
// line, working directory, executable or cgroup. They are only reported. Processes are
// killed by descent or by cgroup.
func processesMentioning(words ...string) map[int]string {
	found := map[int]string{}
	entries, _ := os.ReadDir("/proc")
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil || pid == os.Getpid() {
			continue
		}
		dir := filepath.Join("/proc", entry.Name())
		command, _ := os.ReadFile(filepath.Join(dir, "cmdline"))
		groups, _ := os.ReadFile(filepath.Join(dir, "cgroup"))
		cwd, _ := os.Readlink(filepath.Join(dir, "cwd"))
		exe, _ := os.Readlink(filepath.Join(dir, "exe"))
		all := strings.Join([]string{string(command), string(groups), cwd, exe}, "\n")
		if slices.ContainsFunc(words, func(w string) bool { return w != "" && strings.Contains(all, w) }) {
			found[pid] = strings.TrimSpace(strings.ReplaceAll(string(command), "\x00", " "))
		}
	}
	return found
}
