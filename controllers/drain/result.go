package drain

import (
	"fmt"
	"slices"
	"strings"
)

// maxNamed is how many pods a message names; the rest is counted.
const maxNamed = 3

// Result is what one call of Drain found and did. Pods are <namespace>/<name>, sorted.
type Result struct {
	// Evicted pods have been told to go by this call, and are ending now.
	Evicted []string
	// Ending pods had been told before.
	Ending []string
	// Held pods may not go yet.
	Held []Held
	// Ignored counts the pods that do not hold the drain up.
	Ignored int
}

// Held is a pod that may not go yet, and why.
type Held struct {
	Pod string
	Why string
}

// Done tells whether no pod is left to wait for.
func (r Result) Done() bool {
	return r.Left() == 0
}

// Left counts the pods that are waited for.
func (r Result) Left() int {
	return len(r.Evicted) + len(r.Ending) + len(r.Held)
}

// String explains the result to a person. Equal results give equal strings.
func (r Result) String() string {
	if r.Done() {
		return "No pod is left to evict."
	}
	var parts []string
	if ending := r.ending(); len(ending) > 0 {
		parts = append(parts, fmt.Sprintf("%d ending (%s)", len(ending), some(ending)))
	}
	if len(r.Held) > 0 {
		parts = append(parts, fmt.Sprintf("%d held (%s)", len(r.Held), some(r.reasons())))
	}
	return fmt.Sprintf("%s left: %s.", count(r.Left(), "pod"), strings.Join(parts, ", "))
}

// ending are all pods that need nothing but time.
func (r Result) ending() []string {
	all := slices.Concat(r.Evicted, r.Ending)
	slices.Sort(all)
	return all
}

func (r Result) reasons() []string {
	var out []string
	for _, h := range r.Held {
		out = append(out, h.Pod+": "+strings.TrimRight(h.Why, "."))
	}
	return out
}

func (r *Result) sort() {
	slices.Sort(r.Evicted)
	slices.Sort(r.Ending)
	slices.SortFunc(r.Held, func(a, b Held) int { return strings.Compare(a.Pod, b.Pod) })
}

// some names the first few, and counts the rest.
func some(names []string) string {
	if len(names) <= maxNamed {
		return strings.Join(names, "; ")
	}
	return fmt.Sprintf("%s; and %d more", strings.Join(names[:maxNamed], "; "), len(names)-maxNamed)
}

func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
