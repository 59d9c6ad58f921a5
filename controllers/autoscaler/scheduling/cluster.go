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

	nodes     []*framework.NodeInfo       // by slot; nil where there is none
	liveSlots slotSet                     // the slots of nodes; the others are templates' or free
	slots     map[string]int              // slot of each node
	pods      map[types.UID]*podLocation  // where each pod is
	topology  map[string]map[string][]int // slots by the value of a label, for labels that are topology keys
	nodeInfos []fwk.NodeInfo              // the nodes, nil where it must be made again

	classes        map[string]*equivalenceClass // pods that plugins see alike
	trackedClasses map[string]*trackedClass     // pods that trackers see alike
	generation     int                          // grows with each time that what was learned of classes is forgotten

	undo            []func() // takes back each change since the first Checkpoint that is open
	openCheckpoints int      // Checkpoints that were not reverted
}

// podLocation is where a pod is.
type podLocation struct {
	slot  int
	info  *framework.PodInfo
	class *trackedClass
}

// Mark is a moment that a Cluster can be brought back to.
type Mark struct{ undo, openCheckpoints int }

// New makes a Cluster without nodes.
func New() (*Cluster, error) {
	c := &Cluster{
		objects: newInformerStores(), slots: map[string]int{}, pods: map[types.UID]*podLocation{}, topology: map[string]map[string][]int{},
	}
	var err error
	if c.plugins, err = newPlugins(sharedLister{cluster: c}, c.objects); err != nil {
		return nil, err
	}
	c.resetCaches()
	return c, nil
}

// SetObject adds or replaces an object that plugins look up: a namespace, or what has to do with
// volumes. It is not taken back by Revert.
func (c *Cluster) SetObject(object runtime.Object) error {
	store, err := storeOf(c.objects, object)
	if err != nil {
		return err
	}
	c.resetCachesFor(object)
	return store.Update(object)
}

// DeleteObject removes an object that was Set.
func (c *Cluster) DeleteObject(object runtime.Object) error {
	store, err := storeOf(c.objects, object)
	if err != nil {
		return err
	}
	c.resetCachesFor(object)
	return store.Delete(object)
}

// resetCachesFor: what plugins know of classes of pods comes from namespaces, besides nodes
// and pods; volumes they look up anew.
func (c *Cluster) resetCachesFor(object runtime.Object) {
	if _, ok := object.(*corev1.Namespace); ok {
		c.resetCaches()
	}
}

// AddNode adds a node, or replaces the one of that name under its pods, and adds pods to it.
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

// equalForPlugins tells of two versions of a node whether filters see them alike: most changes
// to a node are heartbeats.
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

// occupySlot puts a node in a slot, where no plugin knows it yet.
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
	c.liveSlots.remove(slot)
	c.vacateSlot(slot)
	c.nodeInfos = nil
	c.eachTracker(func(t tracker) { t.nodeRemoved(slot) })
	c.recordUndo(func() { c.insertNode(slot, node) })
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

// hasResizeStatus tells whether the status of a pod may say that it takes something else than its
// spec asks for.
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

// listNodeInfos are the nodes, for plugins that want to see them all.
func (c *Cluster) listNodeInfos() []fwk.NodeInfo {
	if c.nodeInfos == nil {
		c.nodeInfos = sharedLister{cluster: c}.filterNodes(func(fwk.NodeInfo) bool { return true })
	}
	return c.nodeInfos
}

func (c *Cluster) namespaceLabels(name string) labels.Set {
	namespace, err := c.objects.Core().V1().Namespaces().Lister().Get(name)
	if err != nil {
		return nil // as the scheduler does where it doesn't know it
	}
	return namespace.Labels
}
