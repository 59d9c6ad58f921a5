//go:build !linux

package playground

import "syscall"

// sessionAttributes start a process in a session of its own, so that Ctrl-C reaches only
// this process.
func sessionAttributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setsid: true} }
