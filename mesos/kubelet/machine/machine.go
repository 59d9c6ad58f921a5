// Package machine reads what the agent's machine has to offer a node: its sizes, as the
// kubelet reads them, and what would keep a node from working there.
//
// It refuses to know the launch message. What it finds wrong is never nodeapi.ErrInvalid:
// another agent, or a later time, may do better. Package kubelet asks it before it starts
// anything, and package config computes the node's reservation from the sizes.
package machine

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"syscall"
)

const mebibyte = 1 << 20

// Machine is what the kubelet sees of the agent: all of it.
type Machine struct {
	CPUs        int
	MemoryBytes int64
	// HugePageBytes is the part of the memory that is set aside for huge pages. The kubelet
	// does not count it as memory for pods.
	HugePageBytes int64
	// DiskBytes is the size of the file system that holds the node's state, and FreeBytes
	// the free part of it.
	DiskBytes, FreeBytes int64
	// PIDs is the maximum number of processes and threads.
	PIDs int64
}

// DiskMargin returns the bytes of the disk that stay free unless a pool sets another margin.
func (m Machine) DiskMargin() int64 { return min(1024*mebibyte, m.DiskBytes/20) }

// CheckDisk fails where a node of real containers would be under disk pressure from its
// first moment, and run nothing.
func (m Machine) CheckDisk(dir string, margin int64) error {
	if m.FreeBytes < margin {
		return fmt.Errorf("the disk of %s has %d MiB free of %d, and the kubelet evicts pods below %d: make room there",
			dir, m.FreeBytes/mebibyte, m.DiskBytes/mebibyte, margin/mebibyte)
	}
	return nil
}

// CheckAddress fails where the kubelet would not find its address on any interface, and so
// would never register. A program that replaces a kubelet in tests may have any address.
func CheckAddress(address string) error {
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		return fmt.Errorf("listing own addresses: %w", err)
	}
	wanted, seen := net.ParseIP(address), []string{}
	for _, a := range addresses {
		if own, ok := a.(*net.IPNet); ok {
			if own.IP.Equal(wanted) {
				return nil
			}
			seen = append(seen, own.IP.String())
		}
	}
	return fmt.Errorf("the agent's address %s is on no interface of the executor's network namespace, which has [%s]: the agent needs --ip=<one of its own addresses>, and no isolator that gives containers a network of their own",
		address, strings.Join(seen, ", "))
}

// CheckPort fails if a process listens there already. Port 0 is none.
func CheckPort(program, address string, port int) error {
	if port == 0 {
		return nil
	}
	l, err := net.Listen("tcp", net.JoinHostPort(address, strconv.Itoa(port)))
	if err == nil {
		return l.Close()
	}
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("port %d, which Mesos offered for %s, is taken on %s by a process that Mesos does not know: end it, or take the port out of the agent's resources", port, program, address)
	}
	return nil // CheckAddress looks at the address itself
}

// countCPUs counts the numbers of a list like 0-3,8,10-11.
func countCPUs(list string) (int, error) {
	count := 0
	for _, part := range strings.Split(list, ",") {
		first, last, isRange := strings.Cut(part, "-")
		if !isRange {
			last = first
		}
		from, err1 := strconv.Atoi(first)
		to, err2 := strconv.Atoi(last)
		if err := errors.Join(err1, err2); err != nil || to < from {
			return 0, fmt.Errorf("reading list %q: malformed", list)
		}
		count += to - from + 1
	}
	return count, nil
}
