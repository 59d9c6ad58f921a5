package simulation

import (
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/k8sm/k8sm/api/v1alpha1"
)

const (
	// convergence is how long the world may take to converge in calm: the longest
	// back-offs, and the launch timeout, are within it.
	convergence = 90 * time.Minute
	// look is how often that is looked at.
	look = 5 * time.Second
	// settle is how long after that the last words may take: a task whose agent came back
	// to a new leader without a word is asked for after five minutes at the latest.
	settle = 6 * time.Minute
	// shortRest is how long nothing is to happen then; longRest is the same for one in
	// eight seeds, and longer than any clock in the product.
	shortRest = 3 * time.Minute
	longRest  = 20 * time.Minute
)

// comeToRest ends the trouble, and holds the world against what it must become.
func (w *world) comeToRest() {
	w.becalm()
	began := time.Now()
	for {
		if !w.wait(look) {
			return
		}
		missing := w.missing()
		if missing == "" {
			break
		}
		if time.Since(began) > convergence {
			w.fail("it does not converge: %s", missing)
			return
		}
	}
	w.trace.add("world", "converged after %s of calm", time.Since(began))
	if !w.wait(settle) {
		return
	}
	calls, writes := w.checks.activity()
	repose := shortRest
	if w.chance.of("rest").under(1.0 / 8) {
		repose = longRest
	}
	if !w.wait(repose) {
		return
	}
	if missing := w.missing(); missing != "" {
		w.fail("it does not stay converged: %s", missing)
		return
	}
	if n := w.checks.held(); n > 0 {
		w.fail("I8: %d offers are held at rest", n)
		return
	}
	if c, o := w.checks.activity(); c > calls || o > writes {
		w.fail("I10: at rest for %s, and %d calls, %d writes; last calls: %s", repose, c-calls, o-writes, w.checks.last(c-calls))
	}
}

// becalm ends the trouble.
func (w *world) becalm() {
	w.trace.add("world", "CALM")
	w.mu.Lock()
	w.calm = true
	processes := append([]*process(nil), w.processes...)
	w.mu.Unlock()
	w.plan.crashes, w.plan.badStarts = 0, 0
	w.weather.change(func(n *weatherNow) { *n = weatherNow{} })
	w.goes(w.mesos.heal)
	for _, p := range processes {
		p.wake()
		p.mu.Lock()
		p.fuse = 0
		p.mu.Unlock()
	}
	for i := range w.plan.pools {
		if _, err := w.server.get(kindPool, client.ObjectKey{Name: poolName(i)}); err != nil {
			w.userCreates(w.pool(i, 1))
		}
	}
	w.userDeletes(kindPDB, client.ObjectKey{Namespace: podNamespace, Name: "web"})
}

// missing tells what is not yet as it must become, "" if all is.
func (w *world) missing() string {
	var out []string
	add := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	records := w.server.list(kindMesosNode)
	of := map[string]int{}
	tasks := w.checks.living()
	for _, o := range records {
		n := o.(*v1alpha1.MesosNode)
		of[n.Labels[v1alpha1.LabelPool]]++
		if !n.DeletionTimestamp.IsZero() {
			add("MesosNode %s is leaving", n.Name)
		}
		if !meta.IsStatusConditionTrue(n.Status.Conditions, v1alpha1.ConditionReady) {
			add("MesosNode %s is not ready", n.Name)
		}
		if t := n.Status.Task; t != nil {
			if !tasks[t.ID] {
				add("task %s on record does not run", t.ID)
			}
			delete(tasks, t.ID)
		}
	}
	for id := range tasks {
		if !w.checks.isForgiven(id) {
			add("task %s runs without a record", id)
		}
	}
	for _, o := range w.server.list(kindNode) {
		n := o.(*corev1.Node)
		if strings.HasPrefix(n.Spec.ProviderID, v1alpha1.ProviderIDPrefix) && !w.checks.lives(n.Spec.ProviderID) {
			add("Node %s has no task", n.Name)
		}
	}
	w.poolsMissing(of, add)
	if len(out) == 0 {
		w.kubeletsMissing(records, add)
	}
	return strings.Join(out, "; ")
}

func (w *world) poolsMissing(of map[string]int, add func(string, ...any)) {
	for _, o := range w.server.list(kindPool) {
		p := o.(*v1alpha1.MesosNodePool)
		want := int(*p.Spec.Replicas)
		if !p.DeletionTimestamp.IsZero() {
			add("pool %s is leaving", p.Name)
		}
		if of[p.Name] != want || int(p.Status.ReadyReplicas) != want || p.Status.ObservedGeneration != p.Generation {
			add("pool %s has %d nodes, says that %d are ready, and wants %d", p.Name, of[p.Name], p.Status.ReadyReplicas, want)
		}
		if !meta.IsStatusConditionTrue(p.Status.Conditions, v1alpha1.ConditionReady) {
			add("pool %s is not ready", p.Name)
		}
	}
}

func (c *checks) isForgiven(id string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.forgiven[id]
}

func (c *checks) activity() (calls, writes int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.calls, c.writes
}

func (c *checks) last(n int) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return strings.Join(c.lastCalls[max(0, len(c.lastCalls)-min(n, 5)):], ", ")
}
