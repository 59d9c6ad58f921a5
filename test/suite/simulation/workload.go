package simulation

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

const podNamespace = "default"

// workload keeps so many pods, binds them to nodes that are ready, ends those that
// are to go, and says of nodes that their kubelet is silent: what controllers, scheduler
// and kubelets do with pods.
type workload struct {
	world *world
	wake  chan struct{}
	made  int
}

func newWorkload(w *world) *workload { return &workload{world: w, wake: make(chan struct{}, 1)} }

// run looks after the pods whenever pods or nodes have changed, a little later.
func (l *workload) run() {
	w := l.world
	if w.plan.pods == 0 {
		return
	}
	poke := func(change) {
		select {
		case l.wake <- struct{}{}:
		default:
		}
	}
	for _, k := range []kind{kindPod, kindNode} {
		watch, _ := w.server.follow(k, poke)
		defer w.server.unfollow(k, watch)
	}
	for {
		if !w.wait(w.chance.of("pods").between(200*time.Millisecond, time.Second)) {
			return
		}
		busy := l.tend()
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

// tend does what is due, and tells whether something will be due soon.
func (l *workload) tend() (busy bool) {
	w := l.world
	pods := w.server.list(kindPod)
	nodes := map[string]*corev1.Node{}
	for _, o := range w.server.list(kindNode) {
		nodes[o.GetName()] = o.(*corev1.Node)
	}
	for _, o := range pods {
		busy = l.tendPod(o.(*corev1.Pod), nodes) || busy
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

func (l *workload) tendPod(p *corev1.Pod, nodes map[string]*corev1.Node) (busy bool) {
	w, key := l.world, client.ObjectKeyFromObject(p)
	on := nodes[p.Spec.NodeName]
	switch {
	case p.Spec.NodeName == "":
		if fit := l.place(p, nodes); fit != "" {
			l.update(key, func(p *corev1.Pod) { p.Spec.NodeName = fit })
			return true
		}
		return false
	case on == nil:
		w.server.finish("pod-gc", kindPod, key, p.UID)
		return true
	case !p.DeletionTimestamp.IsZero():
		if w.checks.lives(on.Spec.ProviderID) {
			w.server.finish("kubelet", kindPod, key, p.UID)
		}
		return w.checks.lives(on.Spec.ProviderID)
	case p.Status.Phase != corev1.PodRunning && w.checks.lives(on.Spec.ProviderID):
		l.status(key, corev1.PodRunning)
	}
	return false
}

// place chooses a node for a pod, "" if none is fit.
func (l *workload) place(p *corev1.Pod, nodes map[string]*corev1.Node) string {
	var fit []string
	for _, o := range l.world.server.list(kindNode) {
		n := nodes[o.GetName()]
		if n != nil && !n.Spec.Unschedulable && n.DeletionTimestamp.IsZero() && readyNode(n) {
			fit = append(fit, n.Name)
		}
	}
	if len(fit) == 0 {
		return ""
	}
	return fit[l.world.chance.of("place "+p.Name).below(len(fit))]
}

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

// silence is what the node lifecycle controller does when it has not heard of a
// kubelet for a while.
func (w *world) silence(n *member) {
	w.goes(func() {
		if sleep(w.context, 40*time.Second) != nil {
			return
		}
		o, err := w.server.get(kindNode, client.ObjectKey{Name: n.launch.NodeName})
		if err != nil || o.(*corev1.Node).Spec.ProviderID != n.launch.ProviderID {
			return
		}
		_ = n.report(context.Background(), corev1.ConditionUnknown) // a Node that is gone needs no word
	})
}
