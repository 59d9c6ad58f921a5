//go:build !unix

package container

import (
	"os"
	"syscall"
)

func ownProcessGroup() *syscall.SysProcAttr { return nil }

func killGroup(pid int) {
	if p, err := os.FindProcess(pid); err == nil {
		_ = p.Kill()
	}
}

func terminateGroup(pid int) { killGroup(pid) }

func rawStatus(state *os.ProcessState) int { return state.ExitCode() << 8 }
