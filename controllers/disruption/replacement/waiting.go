package replacement

import (
	"fmt"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/controllers/messages"
)

// Wait is why a candidate is still there. Message has no numbers that change while the obstacle
// stays, so that it can be written on many nodes.
type Wait struct {
	Obstacle Obstacle
	Message  string
}

// waiting returns why each candidate that the plan does not remove is still there. While something
// is under way, the candidates that it does not concern wait for that: budgets and surge are used
// by it, and what else may hold them is looked at when it is their turn.
func (d *decision) waiting() map[string]Wait {
	underWay := len(d.pairs)+len(d.removed)+len(d.plan.Create)+d.Leaving > 0
	out := map[string]Wait{}
	for _, c := range d.candidates {
		if !d.removed[c.Name] {
			out[c.Name] = d.waitOf(c, underWay)
		}
	}
	for _, name := range d.plan.Create {
		out[name] = waitForSuccessor
	}
	return out
}

var (
	waitForSuccessor = Wait{ObstacleProgress, "a new node is to take its place, and must be ready first"}
	waitForOthers    = Wait{ObstacleTurn, "the nodes that are being replaced or removed now come first"}
)

func (d *decision) waitOf(c Node, underWay bool) Wait {
	own, met := d.waits[c.Name]
	switch {
	case c.Protected:
		return Wait{ObstacleHeld, "it is annotated " + v1alpha1.AnnotationDoNotDisrupt + "=true"}
	case met && (own.Obstacle == ObstacleHeld || d.paired(c)):
		return own
	case d.Blocked != "":
		return Wait{ObstacleBlocked, "no node can be created; the pool's conditions FrameworkReady and TemplateValid have the cause"}
	case d.paired(c):
		return waitForSuccessor
	case underWay:
		return waitForOthers
	case met:
		return own
	case d.obstacle == ObstacleCapacity:
		return Wait{ObstacleCapacity, fmt.Sprintf("no more than %s may be unavailable", messages.Count(d.MaxUnavailable, "node", "nodes"))}
	}
	return waitForOthers
}
