package autoscaler

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	nodev1 "k8s.io/api/node/v1"
	policyv1 "k8s.io/api/policy/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/controllers/nodemetadata"
	"github.com/k8sm/k8sm/mesos/placement"
)

// observation is what the cache shows at one moment. All of it is the cache's own, except
// the pools: nothing in it may be changed.
type observation struct {
	now        time.Time
	pools      []*pool
	frameworks map[string]*v1alpha1.MesosFramework
	nodes      map[string]*corev1.Node
	mesosNodes []v1alpha1.MesosNode
	pods       []*corev1.Pod
	daemonSets []appsv1.DaemonSet
	limits     []*corev1.LimitRange
	classes    []*nodev1.RuntimeClass
	budgets    []*policyv1.PodDisruptionBudget
	// objects are of the kinds that the scheduler's plugins look up besides.
	objects []client.Object
}

// autoscaledPools returns the pools that have autoscaling, by name, with their nodes. Settled
// is false while the cache does not show all that was done to them.
func (r *Reconciler) autoscaledPools(ctx context.Context) (pools []*pool, settled bool, err error) {
	var list v1alpha1.MesosNodePoolList
	if err := r.Client.List(ctx, &list, client.UnsafeDisableDeepCopy); err != nil {
		return nil, false, fmt.Errorf("listing MesosNodePools: %w", err)
	}
	settled = true
	for i := range list.Items {
		if list.Items[i].Spec.Autoscaling == nil || !list.Items[i].DeletionTimestamp.IsZero() {
			continue
		}
		p := &pool{MesosNodePool: list.Items[i].DeepCopy()}
		inventory, err := r.Nodes.Inventory(ctx, p.MesosNodePool)
		if err != nil {
			return nil, false, fmt.Errorf("reading the nodes of pool %s: %w", p.Name, err)
		}
		p.inventory, p.alive, p.leaving = inventory, inventory.Alive, inventory.Leaving
		settled = settled && inventory.IsSettled()
		pools = append(pools, p)
	}
	slices.SortFunc(pools, func(a, b *pool) int { return cmp.Compare(a.Name, b.Name) })
	return pools, settled, nil
}

// observe reads what decisions depend on besides the pools.
func (r *Reconciler) observe(ctx context.Context, pools []*pool) (*observation, error) {
	var (
		frameworks v1alpha1.MesosFrameworkList
		nodes      corev1.NodeList
		mesosNodes v1alpha1.MesosNodeList
		pods       corev1.PodList
		daemonSets appsv1.DaemonSetList
		limits     corev1.LimitRangeList
		classes    nodev1.RuntimeClassList
		budgets    policyv1.PodDisruptionBudgetList
	)
	for _, list := range []client.ObjectList{&frameworks, &nodes, &mesosNodes, &pods, &daemonSets, &limits, &classes, &budgets} {
		if err := r.Client.List(ctx, list, client.UnsafeDisableDeepCopy); err != nil {
			return nil, fmt.Errorf("listing %T: %w", list, err)
		}
	}
	objects, err := r.schedulerObjects(ctx)
	if err != nil {
		return nil, err
	}
	useCurrentTemplates(mesosNodes.Items, pools)
	o := &observation{
		now: r.Now(), pools: pools, mesosNodes: mesosNodes.Items, daemonSets: daemonSets.Items, objects: objects,
		frameworks: map[string]*v1alpha1.MesosFramework{}, nodes: map[string]*corev1.Node{},
	}
	for i := range frameworks.Items {
		o.frameworks[frameworks.Items[i].Name] = &frameworks.Items[i]
	}
	for i := range nodes.Items {
		o.nodes[nodes.Items[i].Name] = &nodes.Items[i]
	}
	for i := range limits.Items {
		o.limits = append(o.limits, &limits.Items[i])
	}
	for i := range classes.Items {
		o.classes = append(o.classes, &classes.Items[i])
	}
	for i := range budgets.Items {
		o.budgets = append(o.budgets, &budgets.Items[i])
	}
	for i := range pods.Items {
		o.pods = append(o.pods, &pods.Items[i])
	}
	return o, nil
}

// useCurrentTemplates gives the MesosNodes the labels and taints that their pools have now: their
// Nodes get them, whatever they were created with.
func useCurrentTemplates(nodes []v1alpha1.MesosNode, pools []*pool) {
	byName := make(map[string]*v1alpha1.MesosNodePool, len(pools))
	for _, p := range pools {
		byName[p.Name] = p.MesosNodePool
	}
	for i := range nodes {
		nodes[i].Spec.Template = nodemetadata.CurrentTemplate(&nodes[i], byName[nodes[i].Labels[v1alpha1.LabelPool]])
	}
}

// schedulerObjects reads the objects that the scheduler's plugins look up.
func (r *Reconciler) schedulerObjects(ctx context.Context) ([]client.Object, error) {
	var out []client.Object
	for _, list := range []client.ObjectList{
		&corev1.NamespaceList{}, &corev1.PersistentVolumeList{}, &corev1.PersistentVolumeClaimList{},
		&storagev1.StorageClassList{}, &storagev1.CSINodeList{}, &storagev1.CSIDriverList{},
		&storagev1.CSIStorageCapacityList{}, &storagev1.VolumeAttachmentList{},
	} {
		if err := r.Client.List(ctx, list, client.UnsafeDisableDeepCopy); err != nil {
			return nil, fmt.Errorf("listing %T: %w", list, err)
		}
		err := meta.EachListItem(list, func(o runtime.Object) error {
			out = append(out, o.(client.Object))
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("reading %T: %w", list, err)
		}
	}
	return out, nil
}

// observeCapacity asks Mesos what room there is for the nodes that may be created, once for
// each framework, and describes these nodes to the deciders. If no node may be created
// nothing is asked: while no pod waits a cycle costs Mesos nothing.
func (r *Reconciler) observeCapacity(ctx context.Context, s *Snapshot) {
	capacities := map[string]placement.Capacity{}
	ask := func(framework string) placement.Capacity {
		capacity, asked := capacities[framework]
		if !asked {
			bounded, cancel := context.WithTimeout(ctx, capacityTimeout)
			defer cancel()
			capacity = r.Agents.Capacity(bounded, framework)
			capacities[framework] = capacity
		}
		return capacity
	}
	for _, p := range s.pools {
		if !s.mayGrow(p) && !p.mayReplaceNodes() {
			continue
		}
		framework := s.frameworks[p.Spec.FrameworkRef.Name]
		if framework == nil {
			framework = &v1alpha1.MesosFramework{}
		}
		var capacity placement.Capacity
		if p.blockReason == "" {
			capacity = ask(framework.Name)
		}
		s.describeShapes(p, framework.Spec.Roles, capacity)
	}
}
