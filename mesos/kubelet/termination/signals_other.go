//go:build !linux

package termination

import "syscall"

func signal(int, syscall.Signal) {}

func dispositionOf(int) signalDisposition { return handled }
