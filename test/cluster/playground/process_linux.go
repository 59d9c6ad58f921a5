package playground

import "syscall"

// sessionAttributes give a process a session of its own, so that Ctrl-C reaches
// only us, and have it die with us, whatever ends us.
func sessionAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL}
}
