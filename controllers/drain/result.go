package drain

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/k8sm/k8sm/controllers/messages"
)

// maxNamed is the number of pods that a message names; the rest is counted.
const maxNamed = 3

// Result is what one call of Execute found and did. Pods are <namespace>/<name>, sorted.
type Result struct {
	// Evicted pods were evicted by this call, and are ending now.
	Evicted []string
	// Ending pods were evicted or deleted before.
	Ending []string
	// Blocked pods may not be evicted yet.
	Blocked []BlockedPod
	// Waiting pods go after others, or their eviction has no answer yet.
	Waiting []string
	// Next is when there is something to do although no pod has changed; zero for never.
	Next time.Time
	// Ignored counts the pods that do not hold the drain up.
	Ignored int
}

// BlockedPod is a pod that may not go yet, and why.
type BlockedPod struct {
	Pod    string
	Reason string
}

// Done reports whether no pod is left to wait for.
func (r Result) Done() bool {
	return r.Left() == 0
}

// Left counts the pods that are waited for.
func (r Result) Left() int {
	return len(r.Evicted) + len(r.Ending) + len(r.Blocked) + len(r.Waiting)
}

// String explains the result to a person. Equal results give equal strings.
func (r Result) String() string {
	if r.Done() {
		return "No pod is left to evict."
	}
	var parts []string
	if ending := r.ending(); len(ending) > 0 {
		parts = append(parts, fmt.Sprintf("%d ending (%s)", len(ending), messages.List(ending, "; ", maxNamed)))
	}
	if held := r.Held(); held != "" {
		parts = append(parts, held)
	}
	if len(r.Waiting) > 0 {
		parts = append(parts, fmt.Sprintf("%d waiting for their turn (%s)", len(r.Waiting), messages.List(r.Waiting, "; ", maxNamed)))
	}
	return fmt.Sprintf("%s left: %s.", messages.Count(r.Left(), "pod", "pods"), strings.Join(parts, ", "))
}

// Held is the part of String about the pods that may not go yet; empty if there are none.
func (r Result) Held() string {
	if len(r.Blocked) == 0 {
		return ""
	}
	return fmt.Sprintf("%d held (%s)", len(r.Blocked), messages.List(r.reasons(), "; ", maxNamed))
}

// ending are all pods that need nothing but time.
func (r Result) ending() []string {
	all := slices.Concat(r.Evicted, r.Ending)
	slices.Sort(all)
	return all
}

func (r Result) reasons() []string {
	var out []string
	for _, h := range r.Blocked {
		out = append(out, h.Pod+": "+strings.TrimRight(h.Reason, "."))
	}
	return out
}

// next makes Next not later than t.
func (r *Result) next(t time.Time) {
	if r.Next.IsZero() || t.Before(r.Next) {
		r.Next = t
	}
}

func (r *Result) sort() {
	slices.Sort(r.Waiting)
	slices.Sort(r.Evicted)
	slices.Sort(r.Ending)
	slices.SortFunc(r.Blocked, func(a, b BlockedPod) int { return strings.Compare(a.Pod, b.Pod) })
}
