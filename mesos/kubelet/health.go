package kubelet

import (
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/k8sm/k8sm/mesos/nodeapi"
)

// Report is the state of a node while it lives.
type Report struct {
	// Ready: the Node was Ready. It stays so in later reports: whether it still is,
	// Kubernetes knows better.
	Ready bool
	// Message for people: what the node waits for before it is Ready, what is wrong with it
	// afterwards; empty when all is well.
	Message string
	// Status for the operator, once the Node was Ready.
	Status nodeapi.NodeStatus
}

// health collects the state of a node, and reports it when it changes.
type health struct {
	report func(Report)

	mu       sync.Mutex
	ready    bool
	step     string
	status   nodeapi.NodeStatus
	problems map[string]string // program → what is wrong with it
	last     Report
}

func newHealth(report func(Report)) *health {
	return &health{report: report, problems: map[string]string{}}
}

// setStep notes the present step on the way to a Ready node.
func (h *health) setStep(step string) { h.change(func() { h.step = step }) }

// setAnonymousExecutors notes that the agent serves executors without credentials. It is
// reported once the Node is Ready.
func (h *health) setAnonymousExecutors() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.status.AnonymousExecutors = true
}

// setReady notes that the Node is Ready, and which kubelet runs.
func (h *health) setReady(digest string) {
	h.change(func() { h.ready, h.step, h.status.Kubelet = true, "", digest })
}

// setKubelet notes that another kubelet runs.
func (h *health) setKubelet(digest string) {
	h.change(func() { h.status.Kubelet, h.status.Upgrade = digest, nodeapi.Upgrade{} })
}

// setUpgrade notes the progress or failure of an upgrade.
func (h *health) setUpgrade(u nodeapi.Upgrade) { h.change(func() { h.status.Upgrade = u }) }

// nodeStatus returns the status as it was last reported.
func (h *health) nodeStatus() nodeapi.NodeStatus {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.status
}

// setProblem notes what is wrong with a program. An empty problem clears it.
func (h *health) setProblem(program, problem string) {
	h.change(func() {
		h.problems[program] = problem
		if problem == "" {
			delete(h.problems, program)
		}
	})
}

func (h *health) wasReady() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.ready
}

// change reports under the lock, so that reports come in the order of the changes.
func (h *health) change(apply func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	apply()
	var parts []string
	if h.step != "" {
		parts = append(parts, h.step)
	}
	for _, program := range slices.Sorted(maps.Keys(h.problems)) {
		parts = append(parts, h.problems[program])
	}
	now := Report{Ready: h.ready, Message: strings.Join(parts, "; ")}
	if h.ready {
		now.Status = h.status
	}
	if now != h.last {
		h.last = now
		h.report(now)
	}
}
