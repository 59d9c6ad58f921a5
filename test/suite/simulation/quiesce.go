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
	// convergence is the maximum time until everything has converged after all faults are
	// healed. It is longer than the longest back-off and the launch timeout.
	convergence = 90 * time.Minute
	// convergencePoll is the interval between the checks whether everything has converged.
	convergencePoll = 5 * time.Second
	// settleTime is a pause before the world must be at rest: the master is asked for a task
	// whose agent came back to a new leader without an update after at most five minutes.
	settleTime = 6 * time.Minute
	// shortRest is the time in which nothing may happen then. One in eight seeds uses longRest,
	// which is longer than any timer in the product.
	shortRest = 3 * time.Minute
	longRest  = 20 * time.Minute
)

// quiesce heals all faults, and checks that the world converges and then stays at rest.
func (w *world) quiesce() {
	w.heal()
	began := time.Now()
	for {
		if !w.wait(convergencePoll) {
			return
		}
		missing := w.unmetGoals()
		if missing == "" {
			break
		}
		if time.Since(began) > convergence {
			w.fail("it does not converge: %s", missing)
			return
		}
	}
	w.trace.add("world", "converged after %s of calm", time.Since(began))
	if !w.wait(settleTime) {
		return
	}
	calls, writes := w.checks.activity()
	restTime := shortRest
	if w.rng.of("rest").happens(1.0 / 8) {
		restTime = longRest
	}
	if !w.wait(restTime) {
		return
	}
	if missing := w.unmetGoals(); missing != "" {
		w.fail("it does not stay converged: %s", missing)
		return
	}
	if n := w.checks.heldOffers(); n > 0 {
		w.fail("I8: %d offers are held at rest", n)
		return
	}
	if c, o := w.checks.activity(); c > calls || o > writes {
		w.fail("I10: at rest for %s, and %d calls, %d writes; last calls: %s", restTime, c-calls, o-writes, w.checks.lastCallsText(c-calls))
	}
}

// heal ends all faults.
func (w *world) heal() {
	w.trace.add("world", "CALM")
	w.mu.Lock()
	w.healed = true
	processes := append([]*process(nil), w.processes...)
	w.mu.Unlock()
	w.plan.crashes, w.plan.badStarts = 0, 0
	w.conditions.change(func(n *failureRates) { *n = failureRates{} })
	w.spawn(w.mesos.heal)
	for _, p := range processes {
		p.wake()
		p.mu.Lock()
		p.crashAt = 0
		p.mu.Unlock()
	}
	for i := range w.plan.pools {
		if _, err := w.server.get(kindPool, client.ObjectKey{Name: poolName(i)}); err != nil {
			w.userCreates(w.pool(i, 1))
		}
	}
	w.letRolloutsFinish()
	w.userDeletes(kindPDB, client.ObjectKey{Namespace: podNamespace, Name: "web"})
}

// unmetGoals lists what has not yet converged, "" if everything has.
func (w *world) unmetGoals() string {
	var out []string
	add := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	records := w.server.list(kindMesosNode)
	of := map[string]int{}
	tasks := w.checks.runningTasks()
	for _, o := range records {
		n := o.(*v1alpha1.MesosNode)
		of[n.Labels[v1alpha1.LabelPool]]++
		if !n.DeletionTimestamp.IsZero() {
			add("MesosNode %s is being deleted", n.Name)
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
		if !w.checks.isDeclaredGone(id) {
			add("task %s runs without a record", id)
		}
	}
	for _, o := range w.server.list(kindNode) {
		n := o.(*corev1.Node)
		if strings.HasPrefix(n.Spec.ProviderID, v1alpha1.ProviderIDPrefix) && !w.checks.taskRuns(n.Spec.ProviderID) {
			add("Node %s has no task", n.Name)
		}
	}
	w.unmetNodeGoals(add)
	w.unmetPoolGoals(of, add)
	w.unmetRolloutGoals(records, add)
	if len(out) == 0 {
		w.unmetKubeletGoals(records, add)
	}
	return strings.Join(out, "; ")
}

func (w *world) unmetPoolGoals(of map[string]int, add func(string, ...any)) {
	for _, o := range w.server.list(kindPool) {
		p := o.(*v1alpha1.MesosNodePool)
		want := int(*p.Spec.Replicas)
		if !p.DeletionTimestamp.IsZero() {
			add("pool %s is being deleted", p.Name)
		}
		if of[p.Name] != want || int(p.Status.ReadyReplicas) != want || p.Status.ObservedGeneration != p.Generation {
			add("pool %s has %d nodes, of which it reports %d as ready, and wants %d", p.Name, of[p.Name], p.Status.ReadyReplicas, want)
		}
		if !meta.IsStatusConditionTrue(p.Status.Conditions, v1alpha1.ConditionReady) {
			add("pool %s is not ready", p.Name)
		}
	}
}

func (c *checks) isDeclaredGone(id string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.tasksDeclaredGone[id]
}

func (c *checks) activity() (calls, writes int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.calls, c.writes
}

func (c *checks) lastCallsText(n int) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return strings.Join(c.lastCalls[max(0, len(c.lastCalls)-min(n, 5)):], ", ")
}
