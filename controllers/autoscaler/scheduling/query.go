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
	slot, found := c.newClassQuery(cl, pod).firstFit(c.liveSlots)
	if !found {
		return "", false
	}
	c.RemovePod(pod)
	c.insertPod(&podLocation{slot: slot, info: cl.infoFor(pod), class: cl.tracked})
	return c.nodes[slot].Node().Name, true
}

// Fits tells whether a pod fits on a node, and if not, why.
func (c *Cluster) Fits(pod *corev1.Pod, node string) (fits bool, reason string) {
	slot, ok := c.slots[node]
	if !ok {
		return false, "there is no such node"
	}
	return c.newQuery(pod).check(slot)
}

// Explain tells why a pod fits nowhere: each reason with the number of nodes, most nodes first.
func (c *Cluster) Explain(pod *corev1.Pod) []Refusal {
	q, counts := c.newQuery(pod), map[string]int{}
	for slot := range c.nodes {
		if !c.liveSlots.has(slot) {
			continue
		}
		if fits, reason := q.check(slot); !fits {
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
	c.occupySlot(slot, node)
	for _, pod := range pods {
		c.nodes[slot].AddPodInfo(c.classOf(pod).infoFor(pod))
	}
	return Template(slot)
}

// RemoveTemplate removes it.
func (c *Cluster) RemoveTemplate(t Template) { c.vacateSlot(int(t)) }

// FirstTemplate is the index of the first of these on which a pod would fit if it were a
// node; -1 if there is none. A plugin that counts domains may
// still refuse the node once it is there.
func (c *Cluster) FirstTemplate(pod *corev1.Pod, templates []Template) int {
	q := c.newQuery(pod)
	for i, t := range templates {
		if q.isRejected(int(t)) {
			continue
		}
		if fits, _ := q.check(int(t)); fits {
			return i
		}
	}
	return -1
}

// FitsTemplate tells whether a pod would fit, as FirstTemplate does, and if not, why.
func (c *Cluster) FitsTemplate(pod *corev1.Pod, t Template) (fits bool, reason string) {
	return c.newQuery(pod).check(int(t))
}

// CanReplace tells whether a node would hold these pods of its own if it were this template
// instead, and every other pod could stay where it is. It must be in the same domains for
// that.
func (c *Cluster) CanReplace(t Template, node string, pods []*corev1.Pod) bool {
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
		for _, s := range c.newClassQuery(cl, pod).caches {
			if !s.plugin.clusterWide && !s.evaluate(pod, would).IsSuccess() {
				return false
			}
		}
		would.AddPodInfo(cl.infoFor(pod))
	}
	return true
}

// query is a pod that is asked for.
type query struct {
	cluster *Cluster
	pod     *corev1.Pod
	caches  []*filterCache
}

func (c *Cluster) newQuery(pod *corev1.Pod) query {
	return c.newClassQuery(c.classOf(pod), pod)
}

// newClassQuery prepares to ask for a pod of a class.
func (c *Cluster) newClassQuery(cl *equivalenceClass, pod *corev1.Pod) query {
	q := query{cluster: c, pod: pod, caches: make([]*filterCache, 0, len(c.plugins))}
	var anew *framework.CycleState
	for i, s := range c.filterCachesOf(cl, pod) {
		if s == nil {
			if anew == nil {
				anew = framework.NewCycleState()
			}
			s = &filterCache{plugin: c.plugins[i], pod: pod, rejected: &slotSet{}}
			s.runPreFilter(anew, c.listNodeInfos())
		}
		if s.tracker != nil {
			s.tracker.flush()
		}
		if !s.skipped {
			q.caches = append(q.caches, s)
		}
	}
	return q
}

// firstFit is the first of these slots whose node takes the pod.
func (q query) firstFit(among slotSet) (slot int, found bool) {
	for i := range among {
		todo := among[i]
		for {
			todo &= q.openSlots(i)
			if todo == 0 {
				break
			}
			bit := bits.TrailingZeros64(todo)
			if fits, _ := q.check(64*i + bit); fits {
				return 64*i + bit, true
			}
			todo &^= 1 << bit
		}
	}
	return 0, false
}

// openSlots are those of 64 slots that nobody refused yet.
func (q query) openSlots(i int) uint64 {
	open := ^uint64(0)
	for _, s := range q.caches {
		open &^= s.rejected.word(i)
	}
	return open
}

func (q query) isRejected(slot int) bool {
	return slices.ContainsFunc(q.caches, func(s *filterCache) bool { return s.rejected.has(slot) })
}

// check whether the node in this slot takes the pod, if not, why.
func (q query) check(slot int) (ok bool, reason string) {
	for _, s := range q.caches {
		if ok, reason := s.check(q.pod, slot, q.cluster.nodes[slot]); !ok {
			return false, reason
		}
	}
	return true, ""
}
