package termination

import (
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// podCgroup is the kubelet's name for the cgroup of a pod.
var podCgroup = regexp.MustCompile(`/pod([0-9a-f-]{32,36})(/|\n|$)`)

// PodUIDOf returns the UID of the pod that a process belongs to; empty if it belongs to none.
func PodUIDOf(pid int) string {
	data, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
	return parsePodUID(data)
}

// parsePodUID finds a pod in /proc/<pid>/cgroup.
func parsePodUID(cgroups []byte) string {
	if match := podCgroup.FindSubmatch(cgroups); match != nil {
		return string(match[1])
	}
	return ""
}

func signal(pid int, s syscall.Signal) { _ = unix.Kill(pid, s) }

// dispositionOf reads what a process does about SIGTERM.
func dispositionOf(pid int) signalDisposition {
	data, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	return parseDisposition(string(data))
}

// parseDisposition reads the signal masks of /proc/<pid>/status.
func parseDisposition(status string) signalDisposition {
	const bit = 1 << (unix.SIGTERM - 1)
	disposition := ignored
	for line := range strings.Lines(status) {
		name, value, _ := strings.Cut(line, ":")
		mask, err := strconv.ParseUint(strings.TrimSpace(value), 16, 64)
		if err != nil || mask&bit == 0 {
			continue
		}
		switch name {
		case "SigBlk":
			disposition = max(disposition, blocked)
		case "SigCgt":
			disposition = handled
		}
	}
	return disposition
}
