package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/test/cluster/playground"
)

// cachedRounds is the number of nodes that are timed on an agent with a full cache.
const cachedRounds = 5

// measureRealNode measures nodes of the playground, one at a time on one agent: the time to Ready,
// first with an empty cache, then with a full one; what the last node uses at rest; and how long
// the next executor needs to clean up after all its processes were killed.
func measureRealNode(ctx context.Context, o options) (figures []figure, err error) {
	r, err := startFleet(ctx, playground.Options{Agents: 1, AgentResources: "cpus:2;mem:4096;disk:10000"})
	if err != nil {
		return nil, err
	}
	defer func() { err = r.stop(err) }()
	cold, err := r.timeNode(ctx, func() error { return r.client.Create(ctx, newPool(fleetPool, 1)) })
	if err != nil {
		return nil, err
	}
	var cached []readyTimes
	for range cachedRounds {
		w, err := r.timeNode(ctx, func() error { return r.deleteNodes(ctx) })
		if err != nil {
			return nil, err
		}
		cached = append(cached, w)
	}
	slices.SortFunc(cached, func(a, b readyTimes) int { return int(a.total() - b.total()) })
	note := "real kubelet, runtime " + string(r.Runtime) + "; artifacts are files of this machine; from the intent, which comes right before the ACCEPT, to Ready"
	median := cached[len(cached)/2].figure("accept_to_ready_cached", note)
	median.Beside["fastest_s"], median.Beside["slowest_s"] = cached[0].total().Seconds(), cached[len(cached)-1].total().Seconds()
	rest, err := r.rest(ctx, time.Duration(o.rest)*time.Second)
	if err != nil {
		return nil, err
	}
	figures = []figure{cold.figure("accept_to_ready_cold", note), median, rest}
	if r.Runtime != playground.RuntimeContainerd {
		fmt.Fprintln(os.Stderr, "benchmark: no sweep_dirty_agent: only real containers leave anything")
		return figures, nil
	}
	dirty, err := r.sweep(ctx)
	return append(figures, dirty), err
}

// readyTimes has the time of each step of a node on its way to Ready.
type readyTimes struct{ intent, subscribed, fetched, kubelet, asked, certificate, ready time.Time }

func (w readyTimes) total() time.Duration { return w.ready.Sub(w.intent) }

func (w readyTimes) figure(name, note string) figure {
	f := figure{Name: name, Value: w.total().Seconds(), Unit: "s", Note: note, Beside: map[string]float64{}}
	at := w.intent
	for _, step := range []struct {
		name string
		done time.Time
	}{
		{"executor_s", w.subscribed}, {"fetch_s", w.fetched}, {"runtime_s", w.kubelet},
		{"kubelet_s", w.asked}, {"certificate_s", w.certificate}, {"ready_s", w.ready},
	} {
		f.Beside[step.name] = step.done.Sub(at).Seconds()
		at = step.done
	}
	return f
}

// timeNode measures the first new node after cause was called.
func (r *fleet) timeNode(ctx context.Context, cause func() error) (w readyTimes, err error) {
	known, err := r.nodes(ctx)
	if err != nil {
		return w, err
	}
	requests, err := r.watchRequests(ctx)
	if err != nil {
		return w, err
	}
	defer requests.Stop()
	if err := cause(); err != nil {
		return w, err
	}
	var node v1alpha1.MesosNode
	var token string
	err = waitFor(ctx, 10*time.Millisecond, func() (bool, string, error) {
		if node, err = r.newNode(ctx, known); err != nil || node.Status.Task == nil {
			return false, "no new node is launched", err
		}
		if w.intent.IsZero() {
			w.intent = time.Now()
		}
		token = cmp.Or(node.Status.Task.BootstrapTokenID, token)
		return isReady(&node), "the new node is not Ready", nil
	})
	if err != nil {
		return w, err
	}
	w.ready, w.asked = time.Now(), requests.firstOf("system:bootstrap:"+token)
	if w.asked.IsZero() {
		return w, fmt.Errorf("no certificate request of %s was seen", node.Name)
	}
	return w, r.readStepTimes(&w, &node)
}

// readStepTimes reads the steps inside the container from the executor's log and from the time of
// the kubelet's certificate file.
func (r *fleet) readStepTimes(w *readyTimes, node *v1alpha1.MesosNode) error {
	container, err := r.Container(node.Status.Task.ID)
	if err != nil {
		return err
	}
	for _, step := range []struct {
		at    *time.Time
		words []string
	}{
		{&w.subscribed, []string{`msg="Subscribed with agent"`}},
		{&w.fetched, []string{`msg="Installed artifacts"`}},
		{&w.kubelet, []string{`msg="Starting program"`, "program=kubelet"}},
	} {
		times, err := container.Logged(step.words...)
		if err != nil {
			return err
		}
		if len(times) == 0 {
			return fmt.Errorf("the executor of %s logged no %v", node.Name, step.words)
		}
		*step.at = times[0]
	}
	certificate, err := os.Lstat(filepath.Join(r.StateDir(), node.Name, "pki", "kubelet-client-current.pem"))
	if err != nil {
		return fmt.Errorf("looking when the kubelet had its certificate: %w", err)
	}
	w.certificate = certificate.ModTime()
	return nil
}

// newNode returns a MesosNode that is not known yet, or the zero MesosNode if there is none.
func (r *fleet) newNode(ctx context.Context, known []v1alpha1.MesosNode) (v1alpha1.MesosNode, error) {
	nodes, err := r.nodes(ctx)
	nodes = slices.DeleteFunc(nodes, func(n v1alpha1.MesosNode) bool {
		return slices.ContainsFunc(known, func(k v1alpha1.MesosNode) bool { return k.Name == n.Name })
	})
	return append(nodes, v1alpha1.MesosNode{})[0], err
}

func (r *fleet) deleteNodes(ctx context.Context) error {
	return r.client.DeleteAllOf(ctx, &v1alpha1.MesosNode{}, client.MatchingLabels{v1alpha1.LabelPool: fleetPool})
}

// onlyNode returns the name of the only ready node, and its container.
func (r *fleet) onlyNode(ctx context.Context) (string, playground.Container, error) {
	nodes, err := r.nodes(ctx)
	if err != nil {
		return "", playground.Container{}, err
	}
	if len(nodes) != 1 || !isReady(&nodes[0]) {
		return "", playground.Container{}, fmt.Errorf("there are %d nodes, want one that is Ready", len(nodes))
	}
	container, err := r.Container(nodes[0].Status.Task.ID)
	return nodes[0].Name, container, err
}

// rest measures a node at rest.
func (r *fleet) rest(ctx context.Context, while time.Duration) (figure, error) {
	_, container, err := r.onlyNode(ctx)
	if err != nil {
		return figure{}, err
	}
	if err := sleep(ctx, restAfter); err != nil {
		return figure{}, err
	}
	executor := container.Executor()
	before, err := cpuTime(executor)
	if err != nil {
		return figure{}, err
	}
	if err := sleep(ctx, while); err != nil {
		return figure{}, err
	}
	after, err := cpuTime(executor)
	if err != nil {
		return figure{}, err
	}
	memory, err := memoryOf(executor)
	return figure{
		Name: "executor_rss", Value: memory.resident, Unit: "MiB", Goal: "under 25",
		Beside: map[string]float64{
			"anonymous_MiB": memory.anonymous, "observed_s": while.Seconds(),
			"cpu_ms_per_minute": float64((after - before).Milliseconds()) * float64(time.Minute) / float64(while),
		},
		Note: "resident memory and CPU time of the executor of a node at rest; what is not anonymous are pages of its program's file",
	}, err
}
