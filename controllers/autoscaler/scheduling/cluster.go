package scheduling

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/klog/v2"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework"
)

// Cluster is nodes and the pods on them, as the scheduler's plugins see them, and what the
// plugins said, for as long as it holds.
type Cluster struct {
	plugins []*plugin
	objects informers.SharedInformerFactory

	nodes    []*framework.NodeInfo       // by slot; nil where there is none
	live     slotSet                     // the slots of nodes; the others are templates' or free
	slots    map[string]int              // slot of each node
	pods     map[types.UID]*place        // where each pod is
	topology map[string]map[string][]int // slots by the value of a label, for labels that are topology keys
	listed   []fwk.NodeInfo              // the nodes, nil where it must be made again

	classes map[string]*class // pods that plugins see alike
	kin     map[string]*kin   // pods that trackers see alike
	lesson  int               // grows with each time that what was learned of classes is forgotten

	undo []func() // takes back each change since the first Checkpoint that is open
	open int      // Checkpoints that were not reverted
}

// place is where a pod is.
type place struct {
	slot int
	info *framework.PodInfo
	kin  *kin
}

// Mark is a moment that a Cluster can be brought back to.
type Mark struct{ undo, open int }

// New makes a Cluster without nodes.
func New() (*Cluster, error) {
	c := &Cluster{
		objects: newObjects(), slots: map[string]int{}, pods: map[types.UID]*place{}, topology: map[string]map[string][]int{},
	}
	var err error
	if c.plugins, err = newPlugins(snapshot{cluster: c}, c.objects); err != nil {
		return nil, err
	}
	c.forget()
	return c, nil
}

// Set adds or replaces an object that plugins look up: a namespace, or what has to do with
// volumes. It is not taken back by Revert.
func (c *Cluster) Set(object runtime.Object) error {
	store, err := storeOf(c.objects, object)
	if err != nil {
		return err
	}
	c.forgetIfSeen(object)
	return store.Update(object)
}

// Unset removes an object that was Set.
func (c *Cluster) Unset(object runtime.Object) error {
	store, err := storeOf(c.objects, object)
	if err != nil {
		return err
	}
	c.forgetIfSeen(object)
	return store.Delete(object)
}

// forgetIfSeen: what plugins know of classes of pods comes from namespaces, besides nodes
// and pods; volumes they look up anew.
func (c *Cluster) forgetIfSeen(object runtime.Object) {
	if _, ok := object.(*corev1.Namespace); ok {
		c.forget()
	}
}

// AddNode adds a node, or replaces the one of that name under its pods, and adds pods to it.
func (c *Cluster) AddNode(node *corev1.Node, pods ...*corev1.Pod) {
	if slot, ok := c.slots[node.Name]; ok {
		c.replace(slot, node)
	} else {
		c.join(c.freeSlot(), node)
	}
	for _, pod := range pods {
		c.add(pod, c.slots[node.Name])
	}
}

func (c *Cluster) replace(slot int, node *corev1.Node) {
	info := c.nodes[slot]
	if before := info.Node(); sameToPlugins(before, node) {
		info.SetNode(node)
		c.changed(func() { c.nodes[slot].SetNode(before) })
		return
	}
	var places []*place
	for _, pod := range info.Pods {
		places = append(places, c.pods[pod.GetPod().UID])
	}
	c.RemoveNode(node.Name)
	c.join(slot, node)
	for _, at := range places {
		c.put(at)
	}
}

// sameToPlugins tells of two versions of a node whether filters see them alike: most changes
// to a node are heartbeats.
func sameToPlugins(a, b *corev1.Node) bool {
	return equality.Semantic.DeepEqual(a.Labels, b.Labels) &&
		equality.Semantic.DeepEqual(a.Annotations, b.Annotations) &&
		equality.Semantic.DeepEqual(a.Spec, b.Spec) &&
		equality.Semantic.DeepEqual(a.Status.Allocatable, b.Status.Allocatable) &&
		slices.Equal(a.Status.DeclaredFeatures, b.Status.DeclaredFeatures)
}

func (c *Cluster) freeSlot() int {
	slot := slices.Index(c.nodes, nil)
	if slot < 0 {
		slot = len(c.nodes)
		c.nodes = append(c.nodes, nil)
	}
	return slot
}

// occupy puts a node in a slot, where no plugin knows it yet.
func (c *Cluster) occupy(slot int, node *corev1.Node) {
	info := framework.NewNodeInfo()
	info.SetNode(node)
	c.nodes[slot] = info
	c.indexNode(slot, node)
	for _, p := range c.plugins {
		for _, s := range p.all {
			s.open(slot)
		}
	}
}

func (c *Cluster) vacate(slot int) {
	c.unindexNode(slot, c.nodes[slot].Node())
	c.nodes[slot] = nil
}

func (c *Cluster) join(slot int, node *corev1.Node) {
	c.occupy(slot, node)
	c.live.add(slot)
	c.slots[node.Name] = slot
	if c.listed != nil && slot == len(c.nodes)-1 {
		c.listed = append(c.listed, c.nodes[slot])
	} else {
		c.listed = nil
	}
	c.eachTracker(func(t tracker) { t.joined(slot) })
	c.changed(func() { c.RemoveNode(node.Name) })
}

// RemoveNode removes a node and the pods on it. It does nothing where there is none.
func (c *Cluster) RemoveNode(name string) {
	slot, ok := c.slots[name]
	if !ok {
		return
	}
	node := c.nodes[slot].Node()
	for _, pod := range slices.Clone(c.nodes[slot].Pods) {
		c.RemovePod(pod.GetPod())
	}
	delete(c.slots, name)
	c.live.remove(slot)
	c.vacate(slot)
	c.listed = nil
	c.eachTracker(func(t tracker) { t.left(slot) })
	c.changed(func() { c.join(slot, node) })
}

// AddPod adds a pod, known by its UID, to the node that its spec names. Pods that are done
// are the caller's to leave out.
func (c *Cluster) AddPod(pod *corev1.Pod) error {
	return c.Put(pod, pod.Spec.NodeName)
}

// Put adds a pod to a node, whether it fits there or not, and whatever its spec says. It is
// moved if it was elsewhere.
func (c *Cluster) Put(pod *corev1.Pod, node string) error {
	slot, ok := c.slots[node]
	if !ok {
		return fmt.Errorf("adding pod %s/%s: there is no node %q", pod.Namespace, pod.Name, node)
	}
	if pod.UID == "" {
		return fmt.Errorf("adding pod %s/%s: it has no UID", pod.Namespace, pod.Name)
	}
	c.add(pod, slot)
	return nil
}

func (c *Cluster) add(pod *corev1.Pod, slot int) {
	c.RemovePod(pod)
	cl := c.classOf(pod)
	info := cl.of(pod)
	if resized(pod) {
		info = newInfo(pod)
	}
	c.put(&place{slot: slot, info: info, kin: cl.kin})
}

// resized tells whether the status of a pod may say that it takes something else than its
// spec asks for.
func resized(pod *corev1.Pod) bool {
	of := &pod.Status
	reported := func(s corev1.ContainerStatus) bool { return s.Resources != nil || s.AllocatedResources != nil }
	return of.Resources != nil || of.AllocatedResources != nil || len(of.NodeAllocatableResourceClaimStatuses) > 0 ||
		slices.ContainsFunc(of.ContainerStatuses, reported) || slices.ContainsFunc(of.InitContainerStatuses, reported)
}

func (c *Cluster) put(at *place) {
	c.nodes[at.slot].AddPodInfo(at.info)
	c.pods[at.info.Pod.UID] = at
	for _, s := range c.concerned(at.kin, at.info) {
		s.tracker.added(at.info, at.slot)
	}
	c.changed(func() { c.RemovePod(at.info.Pod) })
}

// RemovePod removes a pod. It does nothing where it isn't.
func (c *Cluster) RemovePod(pod *corev1.Pod) {
	at, ok := c.pods[pod.UID]
	if !ok {
		return
	}
	if err := c.nodes[at.slot].RemovePod(klog.Background(), at.info.Pod); err != nil {
		return
	}
	delete(c.pods, pod.UID)
	for _, p := range c.plugins {
		if p.local {
			for _, s := range p.all {
				s.closed.remove(at.slot)
			}
		}
	}
	for _, s := range c.concerned(at.kin, at.info) {
		s.tracker.removed(at.info, at.slot)
	}
	c.changed(func() { c.put(at) })
}

// Requests is what a pod takes of a node, as the scheduler counts it.
func (c *Cluster) Requests(pod *corev1.Pod) (milliCPU, memory int64) {
	var info *framework.PodInfo
	if at, ok := c.pods[pod.UID]; ok {
		info = at.info
	} else {
		info = &c.classOf(pod).info
	}
	asked := info.CalculateResource().Resource
	return asked.GetMilliCPU(), asked.GetMemory()
}

// Checkpoint marks this moment, for Revert. Checkpoints may be nested.
func (c *Cluster) Checkpoint() Mark {
	mark := Mark{undo: len(c.undo), open: c.open}
	c.open++
	return mark
}

// Revert takes back every change to nodes and pods since the mark was made.
func (c *Cluster) Revert(mark Mark) {
	taken := c.undo[mark.undo:]
	c.undo, c.open = c.undo[:mark.undo:mark.undo], 0
	for i := len(taken) - 1; i >= 0; i-- {
		taken[i]()
	}
	c.open = mark.open
}

func (c *Cluster) changed(undo func()) {
	if c.open > 0 {
		c.undo = append(c.undo, undo)
	}
}

// infos are the nodes, for plugins that want to see them all.
func (c *Cluster) infos() []fwk.NodeInfo {
	if c.listed == nil {
		c.listed = snapshot{cluster: c}.having(func(fwk.NodeInfo) bool { return true })
	}
	return c.listed
}

func (c *Cluster) namespaceLabels(name string) labels.Set {
	namespace, err := c.objects.Core().V1().Namespaces().Lister().Get(name)
	if err != nil {
		return nil // as the scheduler does where it doesn't know it
	}
	return namespace.Labels
}
