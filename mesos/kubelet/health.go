package kubelet

import (
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/k8sm/k8sm/mesos/nodeapi"
)

// Report is what a node tells of itself while it lives.
type Report struct {
	// Ready: the Node was Ready. It stays so in later reports: whether it still is,
	// Kubernetes knows better.
	Ready bool
	// Message for people: what is being waited for before the node is Ready, what ails
	// it afterwards; empty when all is well.
	Message string
	// Status for the operator, once the Node was Ready.
	Status nodeapi.NodeStatus
}

// health gathers what is to be told of a node, and tells it when it changes.
type health struct {
	tell func(Report)

	mu       sync.Mutex
	ready    bool
	step     string
	status   nodeapi.NodeStatus
	ailments map[string]string // program → what is wrong with it
	told     Report
}

func newHealth(tell func(Report)) *health {
	return &health{tell: tell, ailments: map[string]string{}}
}

// doing notes what is being done for the node to become Ready.
func (h *health) doing(step string) { h.change(func() { h.step = step }) }

// becameReady notes that the node is one, and which kubelet runs.
func (h *health) becameReady(digest string) {
	h.change(func() { h.ready, h.step, h.status = true, "", nodeapi.NodeStatus{Kubelet: digest} })
}

// runs notes that another kubelet runs.
func (h *health) runs(digest string) {
	h.change(func() { h.status = nodeapi.NodeStatus{Kubelet: digest} })
}

// upgrades notes how far it is with another kubelet.
func (h *health) upgrades(u nodeapi.Upgrade) { h.change(func() { h.status.Upgrade = u }) }

// said is the account as it was last given.
func (h *health) said() nodeapi.NodeStatus {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.status
}

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
	if now := (Report{Ready: h.ready, Message: strings.Join(parts, "; "), Status: h.status}); now != h.told {
		h.told = now
		h.tell(now)
	}
}
