package scheduling

import (
	"math/bits"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/kubernetes/pkg/scheduler/framework"
)

// Refusal is why some nodes won't have a pod, in the scheduler's words.
type Refusal struct {
	Reason string
	Nodes  int
}

// Template is a node that could be: pods can be asked of it, but no plugin counts it among
// the nodes there are. It stays until it is removed, whatever is reverted.
type Template int

// Place adds a pod to the first node on which it fits, as if it were new: whatever its spec
// and status say of a node.
func (c *Cluster) Place(pod *corev1.Pod) (node string, placed bool) {
	if pod.UID == "" {
		return "", false
	}
	cl := c.classOf(pod)
	slot, found := c.asking(cl, pod).first(c.live)
	if !found {
		return "", false
	}
	c.RemovePod(pod)
	c.put(&place{slot: slot, info: cl.of(pod), kin: cl.kin})
	return c.nodes[slot].Node().Name, true
}

// Fits tells whether a pod fits on a node, and if not, why.
func (c *Cluster) Fits(pod *corev1.Pod, node string) (fits bool, reason string) {
	slot, ok := c.slots[node]
	if !ok {
		return false, "there is no such node"
	}
	return c.question(pod).ask(slot)
}

// Why tells why a pod fits nowhere: each reason with the number of nodes, most nodes first.
func (c *Cluster) Why(pod *corev1.Pod) []Refusal {
	q, counts := c.question(pod), map[string]int{}
	for slot := range c.nodes {
		if !c.live.has(slot) {
			continue
		}
		if fits, reason := q.ask(slot); !fits {
			counts[reason]++
		}
	}
	refusals := make([]Refusal, 0, len(counts))
	for reason, nodes := range counts {
		refusals = append(refusals, Refusal{Reason: reason, Nodes: nodes})
	}
	slices.SortFunc(refusals, func(a, b Refusal) int {
		if a.Nodes != b.Nodes {
			return b.Nodes - a.Nodes
		}
		return strings.Compare(a.Reason, b.Reason)
	})
	return refusals
}

// AddTemplate adds a node that could be, with the pods that would be on it.
func (c *Cluster) AddTemplate(node *corev1.Node, pods []*corev1.Pod) Template {
	slot := c.freeSlot()
	c.occupy(slot, node)
	for _, pod := range pods {
		c.nodes[slot].AddPodInfo(c.classOf(pod).of(pod))
	}
	return Template(slot)
}

// RemoveTemplate removes it.
func (c *Cluster) RemoveTemplate(t Template) { c.vacate(int(t)) }

// FirstTemplate is the index of the first of these on which a pod would fit if it were a
// node; -1 if there is none. A plugin that counts domains may
// still refuse the node once it is there.
func (c *Cluster) FirstTemplate(pod *corev1.Pod, templates []Template) int {
	q := c.question(pod)
	for i, t := range templates {
		if q.closed(int(t)) {
			continue
		}
		if fits, _ := q.ask(int(t)); fits {
			return i
		}
	}
	return -1
}

// FitsTemplate tells whether a pod would fit, as FirstTemplate does, and if not, why.
func (c *Cluster) FitsTemplate(pod *corev1.Pod, t Template) (fits bool, reason string) {
	return c.question(pod).ask(int(t))
}

// Holds tells whether a node would hold these pods of its own if it were this template
// instead, and every other pod could stay where it is. It must be in the same domains for
// that.
func (c *Cluster) Holds(t Template, node string, pods []*corev1.Pod) bool {
	slot, ok := c.slots[node]
	if !ok {
		return false
	}
	would := c.nodes[t].SnapshotConcrete()
	cpu, memory := would.Requested.MilliCPU, would.Requested.Memory
	for _, pod := range pods {
		itsCPU, itsMemory := c.Requests(pod)
		cpu, memory = cpu+itsCPU, memory+itsMemory
	}
	if cpu > would.Allocatable.MilliCPU || memory > would.Allocatable.Memory {
		return false // the most frequent answer, told early
	}
	for label := range c.topology {
		if label != corev1.LabelHostname && !sameLabels(c.nodes[slot].Node(), would.Node(), []string{label}) {
			return false
		}
	}
	for _, pod := range pods {
		cl := c.classOf(pod)
		for _, s := range c.asking(cl, pod).sieves {
			if !s.plugin.tracked && !s.filter(pod, would).IsSuccess() {
				return false
			}
		}
		would.AddPodInfo(cl.of(pod))
	}
	return true
}

// question is a pod that is asked for.
type question struct {
	cluster *Cluster
	pod     *corev1.Pod
	sieves  []*sieve
}

func (c *Cluster) question(pod *corev1.Pod) question {
	return c.asking(c.classOf(pod), pod)
}

// asking prepares to ask for a pod of a class.
func (c *Cluster) asking(cl *class, pod *corev1.Pod) question {
	q := question{cluster: c, pod: pod, sieves: make([]*sieve, 0, len(c.plugins))}
	var anew *framework.CycleState
	for i, s := range c.sievesOf(cl, pod) {
		if s == nil {
			if anew == nil {
				anew = framework.NewCycleState()
			}
			s = &sieve{plugin: c.plugins[i], pod: pod, closed: &slotSet{}}
			s.prepare(anew, c.infos())
		}
		if s.tracker != nil {
			s.tracker.settle()
		}
		if !s.passes {
			q.sieves = append(q.sieves, s)
		}
	}
	return q
}

// first is the first of these slots whose node takes the pod.
func (q question) first(among slotSet) (slot int, found bool) {
	for i := range among {
		todo := among[i]
		for {
			todo &= q.openWord(i)
			if todo == 0 {
				break
			}
			bit := bits.TrailingZeros64(todo)
			if fits, _ := q.ask(64*i + bit); fits {
				return 64*i + bit, true
			}
			todo &^= 1 << bit
		}
	}
	return 0, false
}

// openWord are those of 64 slots that nobody refused yet.
func (q question) openWord(i int) uint64 {
	open := ^uint64(0)
	for _, s := range q.sieves {
		open &^= s.closed.word(i)
	}
	return open
}

func (q question) closed(slot int) bool {
	return slices.ContainsFunc(q.sieves, func(s *sieve) bool { return s.closed.has(slot) })
}

// ask whether the node in this slot takes the pod, if not, why.
func (q question) ask(slot int) (ok bool, reason string) {
	for _, s := range q.sieves {
		if ok, reason := s.ask(q.pod, slot, q.cluster.nodes[slot]); !ok {
			return false, reason
		}
	}
	return true, ""
}
