package scheduling

import (
	"context"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/klog/v2"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework"
)

// Cluster is nodes and the pods on them, as the scheduler's plugins see them.
type Cluster struct {
	scheduler framework.Framework
	objects   informers.SharedInformerFactory

	nodes []*framework.NodeInfo // by slot; nil where a node was removed
	slots map[string]int        // slot of each node
	pods  map[types.UID]int     // slot of the node of each pod

	undo []func() // takes back each change since the first Checkpoint that is open
	open int      // Checkpoints that were not reverted
}

// Refusal is why some nodes won't have a pod, in the scheduler's words.
type Refusal struct {
	Reason string
	Nodes  int
}

// Mark is a moment that a Cluster can be brought back to.
type Mark struct{ undo, open int }

// New makes a Cluster without nodes.
func New() (*Cluster, error) {
	c := &Cluster{objects: newObjects(), slots: map[string]int{}, pods: map[types.UID]int{}}
	scheduler, err := newFramework(snapshot{cluster: c}, c.objects)
	if err != nil {
		return nil, err
	}
	c.scheduler = scheduler
	return c, nil
}

// Set adds or replaces an object that plugins look up: a namespace, or what has to do with
// volumes. It is not taken back by Revert.
func (c *Cluster) Set(object runtime.Object) error {
	store, err := storeOf(c.objects, object)
	if err != nil {
		return err
	}
	return store.Update(object)
}

// Unset removes an object that was Set.
func (c *Cluster) Unset(object runtime.Object) error {
	store, err := storeOf(c.objects, object)
	if err != nil {
		return err
	}
	return store.Delete(object)
}

// AddNode adds a node, or replaces the one of that name under its pods.
func (c *Cluster) AddNode(node *corev1.Node) {
	if slot, ok := c.slots[node.Name]; ok {
		before := c.nodes[slot].Node()
		c.nodes[slot].SetNode(node)
		c.changed(func() { c.AddNode(before) })
		return
	}
	info := framework.NewNodeInfo()
	info.SetNode(node)
	slot := slices.Index(c.nodes, nil)
	if slot < 0 {
		slot = len(c.nodes)
		c.nodes = append(c.nodes, nil)
	}
	c.join(slot, info)
}

func (c *Cluster) join(slot int, info *framework.NodeInfo) {
	name := info.Node().Name
	c.nodes[slot], c.slots[name] = info, slot
	c.changed(func() { c.RemoveNode(name) })
}

// RemoveNode removes a node and the pods on it. It does nothing where there is none.
func (c *Cluster) RemoveNode(name string) {
	slot, ok := c.slots[name]
	if !ok {
		return
	}
	info := c.nodes[slot]
	for _, pod := range slices.Clone(info.Pods) {
		c.RemovePod(pod.GetPod())
	}
	c.nodes[slot] = nil
	delete(c.slots, name)
	c.changed(func() { c.join(slot, info) })
}

// AddPod adds a pod, known by its UID, to the node that its spec names. Pods that are done
// are the caller's to leave out, and so are pods that are there already.
func (c *Cluster) AddPod(pod *corev1.Pod) error {
	return c.Put(pod, pod.Spec.NodeName)
}

// Put adds a pod to a node, whether it fits there or not, and whatever its spec says.
func (c *Cluster) Put(pod *corev1.Pod, node string) error {
	slot, ok := c.slots[node]
	if !ok {
		return fmt.Errorf("adding pod %s/%s: there is no node %q", pod.Namespace, pod.Name, node)
	}
	c.put(pod, slot)
	return nil
}

func (c *Cluster) put(pod *corev1.Pod, slot int) {
	c.nodes[slot].AddPod(pod)
	c.pods[pod.UID] = slot
	c.changed(func() { c.RemovePod(pod) })
}

// RemovePod removes a pod. It does nothing where it isn't.
func (c *Cluster) RemovePod(pod *corev1.Pod) {
	slot, ok := c.pods[pod.UID]
	if !ok {
		return
	}
	if err := c.nodes[slot].RemovePod(klog.Background(), pod); err != nil {
		return
	}
	delete(c.pods, pod.UID)
	c.changed(func() { c.put(pod, slot) })
}

// Place adds a pod to the first node on which it fits.
func (c *Cluster) Place(pod *corev1.Pod) (node string, placed bool) {
	state := framework.NewCycleState()
	result, status, _ := c.scheduler.RunPreFilterPlugins(context.Background(), state, pod)
	if !status.IsSuccess() {
		return "", false
	}
	for slot, info := range c.nodes {
		if info == nil || !result.AllNodes() && !result.NodeNames.Has(info.Node().Name) {
			continue
		}
		if c.scheduler.RunFilterPlugins(context.Background(), state, pod, info).IsSuccess() {
			c.put(pod, slot)
			return info.Node().Name, true
		}
	}
	return "", false
}

// Fits tells whether a pod fits on a node, and if not, why.
func (c *Cluster) Fits(pod *corev1.Pod, node string) (fits bool, reason string) {
	slot, ok := c.slots[node]
	if !ok {
		return false, "there is no such node"
	}
	state := framework.NewCycleState()
	result, status, _ := c.scheduler.RunPreFilterPlugins(context.Background(), state, pod)
	if !status.IsSuccess() {
		return false, reasonOf(status)
	}
	if !result.AllNodes() && !result.NodeNames.Has(node) {
		return false, "node(s) didn't match the pod's node affinity/selector"
	}
	status = c.scheduler.RunFilterPlugins(context.Background(), state, pod, c.nodes[slot])
	return status.IsSuccess(), reasonOf(status)
}

// Why tells why a pod fits nowhere: each reason with the number of nodes, most nodes first.
func (c *Cluster) Why(pod *corev1.Pod) []Refusal {
	counts := map[string]int{}
	for _, info := range c.nodes {
		if info == nil {
			continue
		}
		if fits, reason := c.Fits(pod, info.Node().Name); !fits {
			counts[reason]++
		}
	}
	refusals := make([]Refusal, 0, len(counts))
	for reason, nodes := range counts {
		refusals = append(refusals, Refusal{Reason: reason, Nodes: nodes})
	}
	slices.SortFunc(refusals, func(a, b Refusal) int {
		if a.Nodes != b.Nodes {
			return b.Nodes - a.Nodes
		}
		return strings.Compare(a.Reason, b.Reason)
	})
	return refusals
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
	c.undo, c.open = c.undo[:mark.undo], 0
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

func reasonOf(status *fwk.Status) string {
	if status.IsSuccess() {
		return ""
	}
	return strings.Join(status.Reasons(), ", ")
}
