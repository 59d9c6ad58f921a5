package playground

import "syscall"

// sessionAttributes start a process in a session of its own, so that Ctrl-C reaches only
// this process, and have the kernel kill it when this process ends.
func sessionAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL}
}
