package decision

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/k8sm/k8sm/controllers/autoscaler/scheduling"
	"github.com/k8sm/k8sm/controllers/drain"
	"github.com/k8sm/k8sm/controllers/podstate"
)

// nodeLoad is what a node has to do, without what comes and goes with every node.
type nodeLoad struct {
	pods int // the number of pods that need the node
	// movable are pods that would have to run elsewhere. Pods that are ending are not among
	// them.
	movable []*corev1.Pod
	// expendable are pods that do not justify a node.
	expendable []*corev1.Pod
	// heldBy is which pod must not be disturbed, and why; empty for none.
	heldBy string
	// cpu and memory are the requested fractions of what the node has for such pods;
	// utilization is the larger of them.
	cpu, memory, utilization float64
}

func (l nodeLoad) String() string {
	return fmt.Sprintf("%.0f %% of the cpu and %.0f %% of the memory", 100*l.cpu, 100*l.memory)
}

func loadOf(cluster *scheduling.Cluster, m *Member, o drain.Options) nodeLoad {
	l := nodeLoad{}
	var askedCPU, askedMemory int64
	freeCPU, freeMemory := m.Node.Status.Allocatable.Cpu().MilliValue(), m.Node.Status.Allocatable.Memory().Value()
	for _, pod := range m.Pods {
		d := drain.Decide(pod, o)
		if d.Verdict == drain.Ignore && podstate.HasEnded(pod) {
			continue
		}
		cpu, memory := cluster.Requests(pod)
		switch d.Verdict {
		case drain.Ignore:
			freeCPU, freeMemory = freeCPU-cpu, freeMemory-memory
			continue
		case drain.Evict, drain.Hold:
			reason := d.Reason // the drain would wait for it
			if d.Verdict == drain.Evict {
				reason = notDisruptable(pod, o.Now)
			}
			switch {
			case reason != "" && l.heldBy == "":
				l.heldBy = fmt.Sprintf("Pod %s/%s %s.", pod.Namespace, pod.Name, reason)
			case reason != "":
				// One pod that must stay is enough to name.
			case Expendable(pod):
				l.expendable = append(l.expendable, pod)
				continue
			default:
				l.movable = append(l.movable, pod)
			}
		}
		l.pods++
		askedCPU, askedMemory = askedCPU+cpu, askedMemory+memory
	}
	l.cpu, l.memory = fraction(askedCPU, freeCPU), fraction(askedMemory, freeMemory)
	l.utilization = max(l.cpu, l.memory)
	return l
}

// evicted returns the pods that are evicted when the node is removed.
func (l nodeLoad) evicted() []*corev1.Pod { return slices.Concat(l.movable, l.expendable) }

// expendableBelow is the lowest priority of pods that justify a node. Cluster Autoscaler has
// the same default.
const expendableBelow = -10

// Expendable reports whether a pod does not justify a node. Such a pod waits until there is
// room, and keeps no node from being removed.
func Expendable(pod *corev1.Pod) bool { return priorityOf(pod) < expendableBelow }

// fraction returns part of whole. Any part of nothing is 1.
func fraction(part, whole int64) float64 {
	switch {
	case part == 0:
		return 0
	case whole <= 0:
		return 1
	}
	return float64(part) / float64(whole)
}
