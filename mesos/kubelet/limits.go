package kubelet

import (
	"context"
	"fmt"
	"reflect"
	"time"

	"github.com/k8sm/k8sm/mesos/kubelet/cgroup"
	"github.com/k8sm/k8sm/mesos/kubelet/config"
)

// A Mesos agent may change the limits of a container that runs. The node follows: the pods'
// cgroup is bounded at once, and the kubelet is started again with another reservation, so
// that the Node's allocatable is again the allocation less the overhead.

const mebibyte = 1 << 20

// allocationWithin returns what the container's limits leave of the allocation that the node
// was launched with, and what is wrong with that. Without a limit it is the launched one.
func allocationWithin(launched config.Allocation, before, now cgroup.Limits) (a config.Allocation, problem string) {
	a = launched
	if before.Memory > 0 && now.Memory > 0 {
		a.MemMiB += float64(now.Memory-before.Memory) / mebibyte
	}
	if before.CPUShares > 0 && now.CPUShares > 0 {
		a.CPUs *= float64(now.CPUShares) / float64(before.CPUShares)
	}
	switch {
	case a.MemMiB <= a.OverheadMemMiB:
		problem = fmt.Sprintf("the agent limits the memory of this node's container to %.0f MiB, which is no more than the overhead of %.0f MiB: the kernel may end the node at any moment; raise the limit, or delete the MesosNode", a.MemMiB, a.OverheadMemMiB)
	case a.CPUs <= a.OverheadCPUs:
		problem = fmt.Sprintf("the agent limits this node's container to %.2f CPUs, which is no more than the overhead of %.2f: raise the limit, or delete the MesosNode", a.CPUs, a.OverheadCPUs)
	}
	return a, problem
}

// reservationChange is another reservation for the kubelet.
type reservationChange struct {
	reservation config.Reservation
	// restart: the kubelet that runs has to see it. Otherwise the next one does.
	restart bool
}

// followLimits bounds pods as the container is bounded until the context ends, and passes
// changes of the reservation to handleRequests.
func (n *Node) followLimits(ctx context.Context, launched config.Reservation) {
	f := limitFollower{node: n, reservation: launched, allocation: n.allocation()}
	tick := time.NewTicker(n.limitsEvery)
	defer tick.Stop()
	for {
		f.follow()
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// limitFollower is what followLimits knows.
type limitFollower struct {
	node        *Node
	reservation config.Reservation
	allocation  config.Allocation
	failure     string // of bounding pods, as it was logged last
}

func (f *limitFollower) follow() {
	n := f.node
	if now, err := n.runtime.Limits(); err != nil {
		f.fail(err)
	} else {
		allocation, problem := allocationWithin(n.allocation(), n.limits, now)
		n.health.setProblem("limits", problem)
		if problem == "" {
			f.change(allocation)
		}
	}
	f.fail(n.runtime.BoundPods(f.reservation.Pods))
}

// change computes the reservation of an allocation, and passes it on if it is another one. It
// is also another one if the agent has other huge pages: a kubelet sees them when it starts.
func (f *limitFollower) change(allocation config.Allocation) {
	n := f.node
	reservation, _, err := n.reservation(allocation)
	if err != nil {
		f.fail(err)
		return
	}
	restart := allocation != f.allocation
	if !restart && reflect.DeepEqual(reservation, f.reservation) {
		return
	}
	if restart {
		n.Log.Info("The agent changed the limits of the container", "memoryMiB", allocation.MemMiB, "cpus", allocation.CPUs)
	}
	f.reservation, f.allocation = reservation, allocation
	select {
	case earlier := <-n.reservations:
		restart = restart || earlier.restart
	default:
	}
	n.reservations <- reservationChange{reservation, restart}
}

// fail logs an error once.
func (f *limitFollower) fail(err error) {
	if err != nil && err.Error() != f.failure {
		f.failure = err.Error()
		f.node.Log.Error(err, "Failed to bound pods as the container is bounded, trying again")
	}
}

// applyReservation has the kubelet keep something else from pods. Pods run on: they belong to
// their shims.
func (n *Node) applyReservation(ctx context.Context, c reservationChange) {
	n.kubeletConfig.Reservation = c.reservation
	if err := n.kubeletConfig.Write(n.layout); err != nil {
		n.Log.Error(err, "Failed to change the kubelet's reservation")
		n.health.setProblem("reservation", "changing the kubelet's reservation: "+err.Error())
		return
	}
	n.health.setProblem("reservation", "")
	if !c.restart || ctx.Err() != nil {
		return
	}
	n.kubelet.end()
	if err := n.startKubelet(ctx, n.failed, n.health.wasReady); err != nil {
		n.failed <- err
	}
}
