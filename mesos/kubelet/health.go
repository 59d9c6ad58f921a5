package kubelet

import (
	"maps"
	"slices"
	"strings"
	"sync"
)

// Report is what a node tells of itself while it lives.
type Report struct {
	// Ready: the Node was Ready. It stays so in later reports: whether it still is,
	// Kubernetes knows better.
	Ready bool
	// Message for people: what is being waited for before the node is Ready, what ails
	// it afterwards; empty when all is well.
	Message string
}

// health gathers what is to be told of a node, and tells it when it changes.
type health struct {
	tell func(Report)

	mu       sync.Mutex
	ready    bool
	step     string
	ailments map[string]string // program → what is wrong with it
	told     Report
}

func newHealth(tell func(Report)) *health {
	return &health{tell: tell, ailments: map[string]string{}}
}

// doing notes what is being done for the node to become Ready.
func (h *health) doing(step string) { h.change(func() { h.step = step }) }

// becameReady notes that the node is one.
func (h *health) becameReady() { h.change(func() { h.ready, h.step = true, "" }) }

// ails notes what is wrong with a program; nothing if what is empty.
func (h *health) ails(program, what string) {
	h.change(func() {
		h.ailments[program] = what
		if what == "" {
			delete(h.ailments, program)
		}
	})
}

func (h *health) wasReady() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.ready
}

// change tells under the lock, so that reports come in the order of what they report.
func (h *health) change(apply func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	apply()
	var parts []string
	if h.step != "" {
		parts = append(parts, h.step)
	}
	for _, program := range slices.Sorted(maps.Keys(h.ailments)) {
		parts = append(parts, h.ailments[program])
	}
	if now := (Report{Ready: h.ready, Message: strings.Join(parts, "; ")}); now != h.told {
		h.told = now
		h.tell(now)
	}
}
