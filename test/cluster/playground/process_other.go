//go:build !linux

package playground

import "syscall"

// sessionAttributes give a process a session of its own, so that Ctrl-C reaches
// only us.
func sessionAttributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setsid: true} }
