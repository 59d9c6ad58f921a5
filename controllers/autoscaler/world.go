package autoscaler

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/controllers/nodemodel"
	"github.com/k8sm/k8sm/controllers/poolnodes"
)

// world is what a decision goes by, as the cache shows it. All of it is the cache's own:
// nothing in it is to be changed.
type world struct {
	now        time.Time
	nodes      map[string]*corev1.Node
	mesosNodes []v1alpha1.MesosNode
	pods       []*corev1.Pod
	daemons    []appsv1.DaemonSet
	budgets    []*policyv1.PodDisruptionBudget
	// objects are what the scheduler looks up besides.
	objects []client.Object
	// writtenOff are the nodes that were given up in this pass.
	writtenOff map[string]bool
}

// pool is a pool that has autoscaling.
type pool struct {
	*v1alpha1.MesosNodePool
	fleet poolnodes.Inventory
	// barred says why the pool does not grow now; empty if it may.
	barred string
	// backOff is until when it backs off, zero if it does not; most is how many nodes it
	// may grow by after that, -1 for any number; trouble is why, nil for none.
	backOff time.Time
	most    int
	trouble *trouble
	// full says why Mesos has no room for any node of the pool; empty if it has, or if
	// that was not asked.
	full string
	// decision about the pool, nil if there was none.
	decision *v1alpha1.AutoscalingDecision
}

// elasticPools are the pools that have autoscaling, by name, with their nodes. Settled is
// false while the cache does not show all that was done to them.
func (r *Reconciler) elasticPools(ctx context.Context) (pools []*pool, settled bool, err error) {
	var list v1alpha1.MesosNodePoolList
	if err := r.Client.List(ctx, &list, client.UnsafeDisableDeepCopy); err != nil {
		return nil, false, fmt.Errorf("listing MesosNodePools: %w", err)
	}
	settled = true
	for i := range list.Items {
		if !elastic(&list.Items[i]) || !list.Items[i].DeletionTimestamp.IsZero() {
			continue
		}
		p := &pool{MesosNodePool: list.Items[i].DeepCopy()}
		if p.fleet, err = r.Nodes.Inventory(ctx, p.MesosNodePool); err != nil {
			return nil, false, fmt.Errorf("looking at the nodes of pool %s: %w", p.Name, err)
		}
		settled = settled && p.fleet.IsSettled()
		pools = append(pools, p)
	}
	slices.SortFunc(pools, func(a, b *pool) int { return cmp.Compare(a.Name, b.Name) })
	return pools, settled, nil
}

// observe reads the rest of the world.
func (r *Reconciler) observe(ctx context.Context) (*world, error) {
	w := &world{now: r.Now(), nodes: map[string]*corev1.Node{}, writtenOff: map[string]bool{}}
	var (
		nodes      corev1.NodeList
		mesosNodes v1alpha1.MesosNodeList
		pods       corev1.PodList
		daemons    appsv1.DaemonSetList
		budgets    policyv1.PodDisruptionBudgetList
	)
	for _, list := range []client.ObjectList{&nodes, &mesosNodes, &pods, &daemons, &budgets} {
		if err := r.Client.List(ctx, list, client.UnsafeDisableDeepCopy); err != nil {
			return nil, fmt.Errorf("listing %T: %w", list, err)
		}
	}
	for _, list := range lookedUp() {
		if err := r.Client.List(ctx, list, client.UnsafeDisableDeepCopy); err != nil {
			return nil, fmt.Errorf("listing %T: %w", list, err)
		}
		err := meta.EachListItem(list, func(o runtime.Object) error {
			w.objects = append(w.objects, o.(client.Object))
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("reading %T: %w", list, err)
		}
	}
	for i := range nodes.Items {
		w.nodes[nodes.Items[i].Name] = &nodes.Items[i]
	}
	for i := range budgets.Items {
		w.budgets = append(w.budgets, &budgets.Items[i])
	}
	for i := range pods.Items {
		w.pods = append(w.pods, &pods.Items[i])
	}
	w.mesosNodes, w.daemons = mesosNodes.Items, daemons.Items
	return w, nil
}

// lookedUp are lists of the kinds that the scheduler's plugins look up.
func lookedUp() []client.ObjectList {
	return []client.ObjectList{
		&corev1.NamespaceList{}, &corev1.PersistentVolumeList{}, &corev1.PersistentVolumeClaimList{},
		&storagev1.StorageClassList{}, &storagev1.CSINodeList{}, &storagev1.CSIDriverList{},
		&storagev1.CSIStorageCapacityList{}, &storagev1.VolumeAttachmentList{},
	}
}

// waiting are the pods that want a node, in the order in which they were created, and how
// many are left out, by reason.
func (w *world) waiting() (pods []*corev1.Pod, out map[string]int) {
	out = map[string]int{}
	for _, pod := range w.pods {
		if !unschedulable(pod) {
			continue
		}
		if why := leftOut(pod); why != "" {
			out[why]++
			continue
		}
		pods = append(pods, pod)
	}
	slices.SortFunc(pods, func(a, b *corev1.Pod) int {
		return cmp.Or(a.CreationTimestamp.Compare(b.CreationTimestamp.Time), cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
	})
	return pods, out
}

// views are the nodes that pods may be placed on, by name: those that are, as they are; those
// coming up, as they will be; those that leave, closed. Daemons are the pods that
// DaemonSets will have on those that have not registered.
func (w *world) views(t templates) (views map[string]*corev1.Node, daemons []*corev1.Pod) {
	views = make(map[string]*corev1.Node, len(w.nodes))
	for name, object := range w.nodes {
		views[name] = object
		if !object.DeletionTimestamp.IsZero() {
			views[name] = closed(object)
		}
	}
	for i := range w.mesosNodes {
		n := &w.mesosNodes[i]
		object := w.nodes[n.Name]
		switch {
		case !n.DeletionTimestamp.IsZero() || w.writtenOff[n.Name]:
			if object != nil {
				views[n.Name] = closed(object)
			}
		case object == nil && !nodemodel.WasReady(n):
			views[n.Name] = t.node(n)
			daemons = append(daemons, t.daemonsOn(views[n.Name])...)
		case object != nil && (!nodemodel.WasReady(n) || w.now.Before(opensBy(n))):
			views[n.Name] = comingUp(object, n, t)
		}
	}
	return views, daemons
}

func closed(object *corev1.Node) *corev1.Node {
	if object.Spec.Unschedulable {
		return object
	}
	out := object.DeepCopy()
	out.Spec.Unschedulable = true
	return out
}

// opensBy is until when a node that is ready is taken to lose its startup taints, and those
// of a Node that is not ready: others take them off, a moment later or more. Zero if the
// node is not ready.
func opensBy(n *v1alpha1.MesosNode) time.Time {
	if !nodemodel.IsReady(n) {
		return time.Time{}
	}
	return meta.FindStatusCondition(n.Status.Conditions, v1alpha1.ConditionReady).LastTransitionTime.Add(startPatience)
}

// inFlight counts the nodes of a pool that were never ready yet.
func (p *pool) inFlight() int {
	count := 0
	for _, n := range p.fleet.Alive {
		if !nodemodel.WasReady(n) {
			count++
		}
	}
	return count
}

func duration(d *metav1.Duration) time.Duration {
	if d == nil {
		return 0
	}
	return d.Duration
}
