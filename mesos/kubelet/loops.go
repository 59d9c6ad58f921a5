package kubelet

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/k8sm/k8sm/mesos/kubelet/loopdevice"
)

// recordLoops keeps the loop devices of block volumes in the node's record until the context
// ends: they outlive an executor that is killed. Those of a volume that is gone are recorded
// no longer.
func (n *Node) recordLoops(ctx context.Context, folder string) {
	tick := time.NewTicker(n.loopsEvery)
	defer tick.Stop()
	failure := ""
	for {
		if err := n.updateLoops(folder); err != nil && err.Error() != failure {
			failure = err.Error()
			n.Log.Error(err, "Failed to record the loop devices of volumes")
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (n *Node) updateLoops(folder string) error {
	loops, err := loopdevice.Of(folder)
	if err != nil {
		return err
	}
	slices.SortFunc(loops, func(a, b loopdevice.Device) int { return strings.Compare(a.Name, b.Name) })
	if slices.Equal(loops, n.record.Loops) {
		return nil
	}
	record := *n.record
	record.Loops = loops
	if err := record.Write(n.layout.Dir); err != nil {
		return err
	}
	n.record = &record
	return nil
}
