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

// Cluster is a set of nodes and the pods on them, as the scheduler's plugins see them, with
// the plugins' answers for as long as they are valid.
//
// A node lives in a slot, an index that stays the same while the node exists. The methods that
// change nodes and pods update the caches at once; between Checkpoint and Revert they record
// how to take each change back.
type Cluster struct {
	plugins []*plugin
	objects informers.SharedInformerFactory

	nodes     []*framework.NodeInfo       // by slot; nil where there is none
	liveSlots slotSet                     // the slots of nodes; other slots are free or belong to templates
	closed    slotSet                     // the slots of nodes on which Place places nothing
	slots     map[string]int              // the slot of each node
	pods      map[types.UID]*podLocation  // the location of each pod
	topology  map[string]map[string][]int // slots by the value of a label, for labels that are topology keys
	nodeInfos []fwk.NodeInfo              // the nodes in slot order; nil when it must be rebuilt

	classes        map[string]*equivalenceClass // by key
	trackedClasses map[string]*trackedClass     // by key
	generation     int                          // grows each time that the caches are reset

	undo            []func() // takes back each change since the first open Checkpoint
	openCheckpoints int      // how many Checkpoints were not reverted
}

// podLocation is a pod and the slot of its node.
type podLocation struct {
	slot  int
	info  *framework.PodInfo
	class *trackedClass
}

// Mark is a moment to which a Cluster can be reverted.
type Mark struct{ undo, openCheckpoints int }

// New makes a Cluster without nodes. It fails if the scheduler's plugins cannot be assembled,
// or if the state of PodTopologySpread is not of the expected shape (see probeSpreadState).
func New() (*Cluster, error) {
	c := &Cluster{
		objects: newInformerStores(), slots: map[string]int{}, pods: map[types.UID]*podLocation{}, topology: map[string]map[string][]int{},
	}
	var err error
	if c.plugins, err = newPlugins(sharedLister{cluster: c}, c.objects); err != nil {
		return nil, err
	}
	if err := probeSpreadState(c.plugins); err != nil {
		return nil, err
	}
	c.resetCaches()
	return c, nil
}

// SetObject adds or replaces an object that plugins look up: a namespace, or an object that
// describes volumes. Revert does not take it back. It returns an error for a kind that no
// plugin looks up.
func (c *Cluster) SetObject(object runtime.Object) error {
	store, err := storeOf(c.objects, object)
	if err != nil {
		return err
	}
	c.resetCachesFor(object)
	return store.Update(object)
}

// DeleteObject removes an object that was set with SetObject.
func (c *Cluster) DeleteObject(object runtime.Object) error {
	store, err := storeOf(c.objects, object)
	if err != nil {
		return err
	}
	c.resetCachesFor(object)
	return store.Delete(object)
}

// resetCachesFor drops the caches if they depend on the object. They depend on nodes, pods and
// namespaces; plugins look up volumes anew each time.
func (c *Cluster) resetCachesFor(object runtime.Object) {
	if _, ok := object.(*corev1.Namespace); ok {
		c.resetCaches()
	}
}

// AddNode adds a node, or replaces the one of that name and keeps the pods on it. Then it adds
// the given pods to it.
func (c *Cluster) AddNode(node *corev1.Node, pods ...*corev1.Pod) {
	if slot, ok := c.slots[node.Name]; ok {
		c.replaceNode(slot, node)
	} else {
		c.insertNode(c.freeSlot(), node)
	}
	for _, pod := range pods {
		c.addPodToSlot(pod, c.slots[node.Name])
	}
}

func (c *Cluster) replaceNode(slot int, node *corev1.Node) {
	info := c.nodes[slot]
	if before := info.Node(); equalForPlugins(before, node) {
		info.SetNode(node)
		c.recordUndo(func() { c.nodes[slot].SetNode(before) })
		return
	}
	var places []*podLocation
	for _, pod := range info.Pods {
		places = append(places, c.pods[pod.GetPod().UID])
	}
	c.RemoveNode(node.Name)
	c.insertNode(slot, node)
	for _, at := range places {
		c.insertPod(at)
	}
}

// equalForPlugins reports whether filters see no difference between two versions of a node.
// Most changes to a node are heartbeats.
func equalForPlugins(a, b *corev1.Node) bool {
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

// occupySlot puts a node into a free slot and discards the answers that the caches have for
// that slot.
func (c *Cluster) occupySlot(slot int, node *corev1.Node) {
	info := framework.NewNodeInfo()
	info.SetNode(node)
	c.nodes[slot] = info
	c.indexNode(slot, node)
	for _, p := range c.plugins {
		for _, s := range p.caches {
			s.invalidate(slot)
		}
	}
}

func (c *Cluster) vacateSlot(slot int) {
	c.unindexNode(slot, c.nodes[slot].Node())
	c.nodes[slot] = nil
}

func (c *Cluster) insertNode(slot int, node *corev1.Node) {
	c.occupySlot(slot, node)
	c.liveSlots.add(slot)
	c.slots[node.Name] = slot
	if c.nodeInfos != nil && slot == len(c.nodes)-1 {
		c.nodeInfos = append(c.nodeInfos, c.nodes[slot])
	} else {
		c.nodeInfos = nil
	}
	c.eachTracker(func(t tracker) { t.nodeAdded(slot) })
	c.recordUndo(func() { c.RemoveNode(node.Name) })
}

// RemoveNode removes a node and the pods on it. It does nothing if there is no such node.
func (c *Cluster) RemoveNode(name string) {
	slot, ok := c.slots[name]
	if !ok {
		return
	}
	node, closed := c.nodes[slot].Node(), c.closed.has(slot)
	for _, pod := range slices.Clone(c.nodes[slot].Pods) {
		c.RemovePod(pod.GetPod())
	}
	delete(c.slots, name)
	c.liveSlots.remove(slot)
	c.closed.remove(slot)
	c.vacateSlot(slot)
	c.nodeInfos = nil
	c.eachTracker(func(t tracker) { t.nodeRemoved(slot) })
	c.recordUndo(func() { c.insertNode(slot, node); c.SetClosed(node.Name, closed) })
}

// SetClosed keeps Place from placing pods on a node, or allows it again. Plugins see a closed
// node and its pods like any other, so that it counts as a topology domain: the scheduler
// counts nodes that are leaving until they are gone. A node that is added is not closed.
func (c *Cluster) SetClosed(name string, closed bool) {
	slot, ok := c.slots[name]
	if !ok || c.closed.has(slot) == closed {
		return
	}
	if closed {
		c.closed.add(slot)
	} else {
		c.closed.remove(slot)
	}
	c.recordUndo(func() { c.SetClosed(name, !closed) })
}

// AddPod adds a pod, identified by its UID, to the node that its spec names. The caller leaves
// out pods that have ended.
func (c *Cluster) AddPod(pod *corev1.Pod) error {
	return c.Put(pod, pod.Spec.NodeName)
}

// Put adds a pod to a node, whether it fits there or not, and whatever node its spec names. A
// pod that is on another node is moved. It returns an error if there is no such node or the
// pod has no UID.
func (c *Cluster) Put(pod *corev1.Pod, node string) error {
	slot, ok := c.slots[node]
	if !ok {
		return fmt.Errorf("adding pod %s/%s: there is no node %q", pod.Namespace, pod.Name, node)
	}
	if pod.UID == "" {
		return fmt.Errorf("adding pod %s/%s: it has no UID", pod.Namespace, pod.Name)
	}
	c.addPodToSlot(pod, slot)
	return nil
}

func (c *Cluster) addPodToSlot(pod *corev1.Pod, slot int) {
	c.RemovePod(pod)
	cl := c.classOf(pod)
	info := cl.infoFor(pod)
	if hasResizeStatus(pod) {
		info = newPodInfo(pod)
	}
	c.insertPod(&podLocation{slot: slot, info: info, class: cl.tracked})
}

// hasResizeStatus reports whether the status of a pod may state other resources than its spec
// requests.
func hasResizeStatus(pod *corev1.Pod) bool {
	of := &pod.Status
	reported := func(s corev1.ContainerStatus) bool { return s.Resources != nil || s.AllocatedResources != nil }
	return of.Resources != nil || of.AllocatedResources != nil || len(of.NodeAllocatableResourceClaimStatuses) > 0 ||
		slices.ContainsFunc(of.ContainerStatuses, reported) || slices.ContainsFunc(of.InitContainerStatuses, reported)
}

func (c *Cluster) insertPod(at *podLocation) {
	c.nodes[at.slot].AddPodInfo(at.info)
	c.pods[at.info.Pod.UID] = at
	for _, s := range c.affectedCaches(at.class, at.info) {
		s.tracker.podAdded(at.info, at.slot)
	}
	c.recordUndo(func() { c.RemovePod(at.info.Pod) })
}

// RemovePod removes a pod. It does nothing if the pod is on no node.
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
		if p.nodeLocal {
			for _, s := range p.caches {
				s.rejected.remove(at.slot)
			}
		}
	}
	for _, s := range c.affectedCaches(at.class, at.info) {
		s.tracker.podRemoved(at.info, at.slot)
	}
	c.recordUndo(func() { c.insertPod(at) })
}

// Requests returns the CPU (in thousandths) and memory (in bytes) that a pod takes of a node,
// as the scheduler counts them.
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

// Checkpoint marks this moment for Revert. Checkpoints may be nested.
func (c *Cluster) Checkpoint() Mark {
	mark := Mark{undo: len(c.undo), openCheckpoints: c.openCheckpoints}
	c.openCheckpoints++
	return mark
}

// Revert takes back every change to nodes and pods since the mark was made.
func (c *Cluster) Revert(mark Mark) {
	taken := c.undo[mark.undo:]
	c.undo, c.openCheckpoints = c.undo[:mark.undo:mark.undo], 0
	for i := len(taken) - 1; i >= 0; i-- {
		taken[i]()
	}
	c.openCheckpoints = mark.openCheckpoints
}

func (c *Cluster) recordUndo(undo func()) {
	if c.openCheckpoints > 0 {
		c.undo = append(c.undo, undo)
	}
}

// listNodeInfos returns all nodes, for plugins that want to see them together.
func (c *Cluster) listNodeInfos() []fwk.NodeInfo {
	if c.nodeInfos == nil {
		c.nodeInfos = sharedLister{cluster: c}.filterNodes(func(fwk.NodeInfo) bool { return true })
	}
	return c.nodeInfos
}

// NamespaceLabels returns the labels of a namespace, nil if it is unknown.
func (c *Cluster) NamespaceLabels(name string) labels.Set {
	namespace, err := c.objects.Core().V1().Namespaces().Lister().Get(name)
	if err != nil {
		return nil // the scheduler does the same for an unknown namespace
	}
	return namespace.Labels
}
