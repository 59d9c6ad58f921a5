package scheduling

import (
	"math/bits"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/kubernetes/pkg/scheduler/framework"
)

// Refusal is a reason, in the scheduler's words, and the number of nodes that give it.
type Refusal struct {
	Reason string
	Nodes  int
}

// Template is a node that does not exist: the Cluster can check whether a pod would fit on it,
// but no plugin counts it among the nodes. It stays until RemoveTemplate; Revert does not
// remove it.
type Template int

// Place adds a pod to the first node that is not closed and on which it fits. The node in the
// pod's spec and its status do not count. It returns false, and changes nothing, if the pod fits nowhere or has
// no UID.
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

// Fits reports whether a pod fits on a node, and if not, why.
func (c *Cluster) Fits(pod *corev1.Pod, node string) (fits bool, reason string) {
	slot, ok := c.slots[node]
	if !ok {
		return false, "there is no such node"
	}
	return c.newQuery(pod).check(slot)
}

// Explain returns why a pod fits nowhere: each reason with its number of nodes, most nodes
// first.
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

// AddTemplate adds a node that does not exist, with the pods that would be on it.
func (c *Cluster) AddTemplate(node *corev1.Node, pods []*corev1.Pod) Template {
	slot := c.freeSlot()
	c.occupySlot(slot, node)
	for _, pod := range pods {
		c.nodes[slot].AddPodInfo(c.classOf(pod).infoFor(pod))
	}
	return Template(slot)
}

// RemoveTemplate removes a template.
func (c *Cluster) RemoveTemplate(t Template) { c.vacateSlot(int(t)) }

// FirstTemplate returns the index of the first template on which a pod would fit if it were a
// node, or -1 if there is none. A plugin that counts domains may still reject the node once it
// exists.
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

// FitsTemplate reports whether a pod would fit on a template, with the reservation of
// FirstTemplate, and if not, why.
func (c *Cluster) FitsTemplate(pod *corev1.Pod, t Template) (fits bool, reason string) {
	return c.newQuery(pod).check(int(t))
}

// CanReplace reports whether a node could be exchanged for this template: the template would
// hold these pods of the node, and every other pod could stay where it is. The template must
// be in the same topology domains for that.
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
		return false // the most frequent answer comes first
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

// query is one pod and the filter caches that can reject it.
type query struct {
	cluster *Cluster
	pod     *corev1.Pod
	caches  []*filterCache
}

func (c *Cluster) newQuery(pod *corev1.Pod) query {
	return c.newClassQuery(c.classOf(pod), pod)
}

// newClassQuery prepares a query for a pod of a class. Plugins that are asked about each pod
// anew run their PreFilter here.
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

// firstFit returns the first of these slots whose node accepts the pod.
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

// openSlots returns the slots from 64·i on that are not closed and that no plugin has rejected,
// one bit each.
func (q query) openSlots(i int) uint64 {
	open := ^q.cluster.closed.word(i)
	for _, s := range q.caches {
		open &^= s.rejected.word(i)
	}
	return open
}

func (q query) isRejected(slot int) bool {
	return slices.ContainsFunc(q.caches, func(s *filterCache) bool { return s.rejected.has(slot) })
}

// check reports whether the node in this slot accepts the pod, and if not, why.
func (q query) check(slot int) (ok bool, reason string) {
	for _, s := range q.caches {
		if ok, reason := s.check(q.pod, slot, q.cluster.nodes[slot]); !ok {
			return false, reason
		}
	}
	return true, ""
}
