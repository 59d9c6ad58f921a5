package autoscaler

import (
	"fmt"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/types"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/controllers/nodemodel"
)

const (
	// startPatience is how long a node may take until it is ready for the first time.
	startPatience = 15 * time.Minute
	// offerPatience is how long of this it may wait for an offer in vain: another pool may
	// have what this one has not.
	offerPatience = 30 * time.Second
	// firstBackOff and longestBackOff are how long a pool does not grow after nodes of it
	// did not come up: twice as long each time.
	firstBackOff, longestBackOff = time.Minute, 30 * time.Minute
	// fewUnwell and partUnwell are how many of a cluster's nodes may have ceased to be ready,
	// and which part of them, until it is doubted that more would help.
	fewUnwell, partUnwell = 3, 0.45
)

// guard remembers what came to nothing, so that it is not done again and again: nodes that
// did not become ready, and nodes that did not help the pods that they were made for. The
// former are in the status of the pools too, so that the next process knows of them; the
// latter come to nothing once more then.
type guard struct {
	pools  map[string]*trouble // nil for those that have none
	makers map[types.UID]*tries
}

// trouble is what a pool has had.
type trouble struct {
	failures int
	since    time.Time // of the last failure
	until    time.Time
	why      string
}

func newGuard() *guard {
	return &guard{pools: map[string]*trouble{}, makers: map[types.UID]*tries{}}
}

// hopeless are the nodes of a pool that are given up, and until when the next one may come
// up, zero if none is on its way. Nodes that wait for an offer are given up only where
// there are more than the pool's minimum: those have nowhere else to be.
func hopeless(p *pool, now time.Time) (given []*v1alpha1.MesosNode, next time.Time) {
	spare := len(p.fleet.Alive) - int(p.Spec.Autoscaling.MinReplicas)
	for _, n := range p.fleet.Alive {
		if nodemodel.WasReady(n) {
			continue
		}
		due := n.CreationTimestamp.Add(startPatience)
		if since, vain := nodemodel.WaitsInVain(n); vain && spare > len(given) {
			due = since.Add(offerPatience)
		}
		if !due.After(now) {
			given = append(given, n)
		} else if next.IsZero() || due.Before(next) {
			next = due
		}
	}
	return given, next
}

// backOff is how long a pool does not grow after so many failures.
func (t *trouble) backOff() time.Duration {
	return min(firstBackOff<<min(t.failures-1, 10), longestBackOff)
}

// of a pool is the trouble that it has, or had when the last process ended.
func (g *guard) of(p *pool) *trouble {
	t, known := g.pools[p.Name]
	if known {
		return t
	}
	if before := p.Status.Autoscaling; before != nil && before.Failures > 0 && before.BackOffUntil != nil {
		t = &trouble{failures: int(before.Failures), until: before.BackOffUntil.Time, why: "nodes of it did not come up"}
		t.since = t.until.Add(-t.backOff())
		if why, told := strings.CutPrefix(before.Shortage, backsOff); told {
			t.why = why
		}
	}
	g.pools[p.Name] = t
	return t
}

// backsOff begins what is told of a pool that does.
const backsOff = "backs off: "

// failed notes that nodes of a pool were given up.
func (g *guard) failed(p *pool, given []*v1alpha1.MesosNode, now time.Time) {
	t := g.of(p)
	if t == nil {
		t = &trouble{}
		g.pools[p.Name] = t
	}
	t.failures++
	t.since, t.until = now, now.Add(t.backOff())
	t.why = fmt.Sprintf("%d of its nodes did not come up; %s: %s", len(given), given[0].Name, standing(given[0]))
}

func standing(n *v1alpha1.MesosNode) string {
	if c := meta.FindStatusCondition(n.Status.Conditions, v1alpha1.ConditionReady); c != nil {
		return c.Reason + ": " + c.Message
	}
	return "nobody has looked at it"
}

// barred tells why a pool does not grow and until when, and how many nodes it may grow by
// otherwise: after a failure one, until that one is ready.
func (g *guard) barred(p *pool, now time.Time) (why string, until time.Time, most int) {
	t := g.of(p)
	if t == nil {
		return "", time.Time{}, -1
	}
	for _, n := range p.fleet.Alive {
		if nodemodel.IsReady(n) && meta.FindStatusCondition(n.Status.Conditions, v1alpha1.ConditionReady).LastTransitionTime.After(t.since) {
			g.pools[p.Name] = nil
			return "", time.Time{}, -1
		}
	}
	if t.until.After(now) {
		return backsOff + t.why, t.until, 0
	}
	return "", time.Time{}, max(1-p.inFlight(), 0)
}

// unwell tells why no more nodes are made for a framework, and none removed: where most of
// those that were ready are so no more, it is the network, say, and not the nodes.
func unwell(pools []*pool, framework string) string {
	silent, all := 0, 0
	for _, p := range pools {
		if p.Spec.FrameworkRef.Name != framework {
			continue
		}
		for _, n := range p.fleet.Alive {
			if nodemodel.WasReady(n) {
				all++
				if !nodemodel.IsReady(n) {
					silent++
				}
			}
		}
	}
	if silent > fewUnwell && float64(silent) > partUnwell*float64(all) {
		return fmt.Sprintf("%d of %d nodes have ceased to be ready", silent, all)
	}
	return ""
}
