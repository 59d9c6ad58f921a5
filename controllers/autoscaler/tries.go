package autoscaler

import (
	"maps"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/k8sm/k8sm/controllers/drain"
)

const (
	// enoughTries is how many nodes are made for pods of one maker that none of them stays on.
	enoughTries = 3
	// podBackOff is how long such pods are left alone then: twice as long each time.
	podBackOff = 10 * time.Minute
	// asked is how many pods of a maker a node is tried with: they are much alike.
	asked = 100
)

// tries are the nodes that were made for the pods of a maker: a ReplicaSet, say, whose pods
// are others each time that they were evicted.
type tries struct {
	nodes map[string]time.Time // by name, since when in vain; zero if they are not
	until time.Time
	again time.Duration
}

// use is what pods have of a node that was made for such as them.
type use int

const (
	// unclear: it is not there yet, or nobody waits.
	unclear use = iota
	// helps: it has pods, or would take one of those that wait.
	helps
	// refuses: it has none, and takes none.
	refuses
	// gone: it is there no more.
	gone
)

// maker is what makes pods like this one: its owner, or nobody but itself.
func maker(pod *corev1.Pod) types.UID {
	if owner := metav1.GetControllerOf(pod); owner != nil {
		return owner.UID
	}
	return pod.UID
}

// made notes that a node was made for a pod.
func (g *guard) made(pod *corev1.Pod, node string) {
	t := g.makers[maker(pod)]
	if t == nil {
		t = &tries{nodes: map[string]time.Time{}, again: podBackOff}
		g.makers[maker(pod)] = t
	}
	t.nodes[node] = time.Time{}
}

// hold sorts out the pods for whose maker enough nodes were made in vain.
func (g *guard) hold(pods []*corev1.Pod, useOf func(node string, pods []*corev1.Pod) use, now time.Time) (tried, held []*corev1.Pod) {
	alike := map[types.UID][]*corev1.Pod{}
	for _, pod := range pods {
		alike[maker(pod)] = append(alike[maker(pod)], pod)
	}
	stopped := map[types.UID]bool{}
	for uid, t := range g.makers {
		t.look(alike[uid], useOf, now)
		stopped[uid] = t.stop(now)
		if len(t.nodes) == 0 && len(alike[uid]) == 0 {
			delete(g.makers, uid)
		}
	}
	for _, pod := range pods {
		if stopped[maker(pod)] {
			held = append(held, pod)
		} else {
			tried = append(tried, pod)
		}
	}
	return tried, held
}

func (t *tries) look(pods []*corev1.Pod, useOf func(string, []*corev1.Pod) use, now time.Time) {
	for name, vain := range t.nodes {
		switch useOf(name, pods[:min(len(pods), asked)]) {
		case helps:
			t.nodes[name] = time.Time{}
		case refuses:
			if vain.IsZero() {
				t.nodes[name] = now
			}
		case gone:
			if vain.IsZero() || now.Sub(vain) > podBackOff {
				delete(t.nodes, name)
			}
		}
	}
}

// stop tells whether no more nodes are to be made for now.
func (t *tries) stop(now time.Time) bool {
	switch {
	case len(t.vain()) < enoughTries:
		t.until = time.Time{}
		return false
	case t.until.IsZero():
		t.until, t.again = now.Add(t.again), min(2*t.again, 8*podBackOff)
		return true
	case t.until.After(now):
		return true
	}
	t.nodes, t.until = map[string]time.Time{}, time.Time{} // one more round
	return false
}

// vain are the nodes that did not help, by name.
func (t *tries) vain() []string {
	var names []string
	for _, name := range slices.Sorted(maps.Keys(t.nodes)) {
		if !t.nodes[name].IsZero() {
			names = append(names, name)
		}
	}
	return names
}

// useOf is what the pods have of a node.
func (r *Reconciler) useOf(p *pass) func(node string, pods []*corev1.Pod) use {
	alive := map[string]bool{}
	for _, pool := range p.pools {
		for _, n := range pool.fleet.Alive {
			alive[n.Name] = true
		}
	}
	takes := func(node string, pods []*corev1.Pod) bool {
		return slices.ContainsFunc(pods, func(pod *corev1.Pod) bool {
			fits, _ := r.mirror.cluster.Fits(pod, node)
			return fits
		})
	}
	return func(node string, pods []*corev1.Pod) use {
		switch {
		case !alive[node]:
			return gone
		case slices.ContainsFunc(p.onNodes[node], p.stays):
			return helps
		case p.nodes[node] == nil || len(pods) == 0:
			return unclear
		case takes(node, pods):
			return helps
		}
		return refuses
	}
}

// stays tells of a pod that it has not come with the node, and is not about to go.
func (w *world) stays(pod *corev1.Pod) bool {
	verdict := drain.Decide(pod, drain.Options{Now: w.now}).Verdict
	return verdict != drain.Ignore && verdict != drain.Await
}
