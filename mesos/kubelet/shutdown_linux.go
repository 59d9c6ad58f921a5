package kubelet

import (
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// podCgroup is how the kubelet names the cgroup of a pod.
var podCgroup = regexp.MustCompile(`/pod([0-9a-f-]{32,36})(/|\n|$)`)

// podOf is the UID of the pod that a process belongs to.
func podOf(pid int) string {
	data, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
	if match := podCgroup.FindSubmatch(data); match != nil {
		return string(match[1])
	}
	return ""
}

func (c container) signal(s syscall.Signal) { _ = unix.Kill(c.pid, s) }

// hears reads what the process does about SIGTERM.
func (c container) hears() hearing {
	data, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", c.pid))
	const bit = 1 << (unix.SIGTERM - 1)
	hears := deaf
	for line := range strings.Lines(string(data)) {
		name, value, _ := strings.Cut(line, ":")
		mask, err := strconv.ParseUint(strings.TrimSpace(value), 16, 64)
		if err != nil || mask&bit == 0 {
			continue
		}
		switch name {
		case "SigBlk":
			hears = max(hears, holdsBack)
		case "SigCgt":
			hears = catches
		}
	}
	return hears
}
