package main

import "golang.org/x/sys/unix"

// totalMemory of the machine in bytes.
func totalMemory() (uint64, error) { return unix.SysctlUint64("hw.memsize") }
