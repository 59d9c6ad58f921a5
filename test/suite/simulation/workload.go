package simulation

import (
	"context"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

const podNamespace = "default"

// workload does what controllers, scheduler and kubelets do with pods: it keeps a number of pods,
// binds them to ready nodes, and ends deleted ones.
type workload struct {
	world *world
	wake  chan struct{}
	made  int
}

func newWorkload(w *world) *workload { return &workload{world: w, wake: make(chan struct{}, 1)} }

// run syncs the pods shortly after pods or nodes have changed.
func (l *workload) run() {
	w := l.world
	if w.plan.pods == 0 {
		return
	}
	notify := func(change) {
		select {
		case l.wake <- struct{}{}:
		default:
		}
	}
	for _, k := range []kind{kindPod, kindNode} {
		watch, _ := w.server.subscribe(k, notify)
		defer w.server.unsubscribe(k, watch)
	}
	for {
		if !w.wait(w.rng.of("pods").between(200*time.Millisecond, time.Second)) {
			return
		}
		busy := l.sync()
		if busy {
			continue
		}
		select {
		case <-l.wake:
		case <-w.context.Done():
			return
		}
	}
}

// sync updates all pods, and reports whether it has to be called again soon.
func (l *workload) sync() (busy bool) {
	w := l.world
	pods := w.server.list(kindPod)
	nodes := map[string]*corev1.Node{}
	for _, o := range w.server.list(kindNode) {
		nodes[o.GetName()] = o.(*corev1.Node)
	}
	for _, o := range pods {
		busy = l.syncPod(o.(*corev1.Pod), nodes) || busy
	}
	for n := len(pods); n < w.plan.pods; n++ {
		l.made++
		w.userCreates(&corev1.Pod{ObjectMeta: metav1.ObjectMeta{
			Namespace: podNamespace, Name: fmt.Sprintf("web-%d", l.made), Labels: map[string]string{"app": "web"},
		}})
		busy = true
	}
	return busy
}

func (l *workload) syncPod(p *corev1.Pod, nodes map[string]*corev1.Node) (busy bool) {
	w, key := l.world, client.ObjectKeyFromObject(p)
	on := nodes[p.Spec.NodeName]
	switch {
	case p.Spec.NodeName == "":
		if fit := l.chooseNode(p, nodes); fit != "" {
			l.update(key, func(p *corev1.Pod) { p.Spec.NodeName = fit })
			return true
		}
		return false
	case on == nil:
		w.server.finish("pod-gc", kindPod, key, p.UID)
		return true
	case !p.DeletionTimestamp.IsZero():
		if w.checks.taskRuns(on.Spec.ProviderID) {
			w.server.finish("kubelet", kindPod, key, p.UID)
		}
		return w.checks.taskRuns(on.Spec.ProviderID)
	case p.Status.Phase != corev1.PodRunning && w.checks.taskRuns(on.Spec.ProviderID):
		l.status(key, corev1.PodRunning)
	}
	return false
}

// chooseNode returns a random node for a pod, "" if no node fits.
func (l *workload) chooseNode(p *corev1.Pod, nodes map[string]*corev1.Node) string {
	var fit []string
	for _, o := range l.world.server.list(kindNode) {
		n := nodes[o.GetName()]
		if n != nil && !n.Spec.Unschedulable && n.DeletionTimestamp.IsZero() && !slices.ContainsFunc(n.Spec.Taints, keepsPods) && readyNode(n) {
			fit = append(fit, n.Name)
		}
	}
	if len(fit) == 0 {
		return ""
	}
	return fit[l.world.rng.of("place "+p.Name).below(len(fit))]
}

// keepsPods reports whether a taint keeps pods, which tolerate nothing here, from a node.
func keepsPods(t corev1.Taint) bool { return t.Effect != corev1.TaintEffectPreferNoSchedule }

func readyNode(n *corev1.Node) bool {
	for _, c := range n.Status.Conditions {
		if c.Type == corev1.NodeReady {
			return c.Status == corev1.ConditionTrue
		}
	}
	return false
}

func (l *workload) update(key client.ObjectKey, edit func(*corev1.Pod)) {
	_, _ = l.world.server.update("scheduler", write{kind: kindPod, key: key, change: func(o client.Object) (client.Object, error) {
		edit(o.(*corev1.Pod))
		return o, nil
	}}) // a pod that is gone needs no update
}

func (l *workload) status(key client.ObjectKey, phase corev1.PodPhase) {
	_, _ = l.world.server.update("kubelet", write{kind: kindPod, key: key, status: true, change: func(o client.Object) (client.Object, error) {
		o.(*corev1.Pod).Status.Phase = phase
		return o, nil
	}}) // a pod that is gone needs no update
}

// markUnknownLater sets a Node's Ready condition to Unknown after 40 s, as the node lifecycle
// controller does when a kubelet is silent.
func (w *world) markUnknownLater(n *fakeExecutor) {
	w.spawn(func() {
		if sleep(w.context, 40*time.Second) != nil {
			return
		}
		o, err := w.server.get(kindNode, client.ObjectKey{Name: n.launch.NodeName})
		if err != nil || o.(*corev1.Node).Spec.ProviderID != n.launch.ProviderID {
			return
		}
		_ = n.reportReadiness(context.Background(), corev1.ConditionUnknown) // the Node may be gone
	})
}
