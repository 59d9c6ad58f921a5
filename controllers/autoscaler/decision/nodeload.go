package decision

import (
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/k8sm/k8sm/controllers/autoscaler/scheduling"
	"github.com/k8sm/k8sm/controllers/drain"
	"github.com/k8sm/k8sm/controllers/podstate"
)

// nodeLoad is what a node has to do, but for what comes and goes with every node.
type nodeLoad struct {
	pods int
	// daemons are those that come and go with it.
	daemons []*corev1.Pod
	// movable are the pods that would have to go elsewhere; others are ending.
	movable []*corev1.Pod
	// expendable are pods that are not worth the node.
	expendable []*corev1.Pod
	// heldBy says which pod must not be disturbed, and why; empty for none.
	heldBy string
	// cpu and memory are the shares of what a node has for such pods; use is the larger.
	cpu, memory, utilization float64
}

func (l nodeLoad) String() string {
	return fmt.Sprintf("%.0f %% of the cpu and %.0f %% of the memory", 100*l.cpu, 100*l.memory)
}

func loadOf(cluster *scheduling.Cluster, m *Member, now time.Time) nodeLoad {
	l := nodeLoad{}
	var askedCPU, askedMemory int64
	freeCPU, freeMemory := m.Node.Status.Allocatable.Cpu().MilliValue(), m.Node.Status.Allocatable.Memory().Value()
	for _, pod := range m.Pods {
		d := drain.Decide(pod, drain.Options{Now: now})
		if d.Verdict == drain.Ignore && podstate.HasEnded(pod) {
			continue
		}
		cpu, memory := cluster.Requests(pod)
		switch d.Verdict {
		case drain.Ignore:
			freeCPU, freeMemory = freeCPU-cpu, freeMemory-memory
			l.daemons = append(l.daemons, pod)
			continue
		case drain.Evict:
			switch reason := notDisruptable(pod); {
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

// evicted are the pods that are evicted when the node goes.
func (l nodeLoad) evicted() []*corev1.Pod { return slices.Concat(l.movable, l.expendable) }

// expendableBelow is that of pods that are worth a node.
const expendableBelow = -10

// Expendable tells of a pod that it is not worth a node: where there is no room it waits
// until there is some, and where it runs it keeps no node.
func Expendable(pod *corev1.Pod) bool { return priorityOf(pod) < expendableBelow }

// fraction of a whole; all of it where there is none.
func fraction(part, whole int64) float64 {
	switch {
	case part == 0:
		return 0
	case whole <= 0:
		return 1
	}
	return float64(part) / float64(whole)
}
