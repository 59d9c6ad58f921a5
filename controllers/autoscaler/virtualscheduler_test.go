package autoscaler

import (
	"cmp"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/k8sm/k8sm/controllers/autoscaler/pending"
	"github.com/k8sm/k8sm/controllers/podstate"
)

// schedule does what the kube-scheduler does with the pods that are on no node: it sees all
// Nodes as they are, also the ones that leave, prefers the least used node, nominates pods that
// wait for a volume or for others that they preempt, and marks the rest Unschedulable.
func (c *virtualCluster) schedule() {
	nodes := map[string]*corev1.Node{}
	for _, n := range all[*corev1.Node](c.api) {
		nodes[n.Name] = n
	}
	var placed, waiting []*corev1.Pod
	for _, pod := range all[*corev1.Pod](c.api) {
		switch nominated := pod.Status.NominatedNodeName; {
		case pod.Spec.NodeName != "":
			placed = append(placed, pod)
		case podstate.HasEnded(pod) || !pod.DeletionTimestamp.IsZero():
		default:
			waiting = append(waiting, pod)
			if nodes[nominated] != nil {
				reserved := pod.DeepCopy()
				reserved.Spec.NodeName = nominated
				placed = append(placed, reserved)
			}
		}
	}
	if err := c.scheduler.Sync(clusterView{nodes: nodes, pods: placed, nodeOf: pending.NodeOf, objects: c.volumeObjects()}); err != nil {
		c.t.Fatal(err)
	}
	slices.SortStableFunc(waiting, func(a, b *corev1.Pod) int {
		return cmp.Or(cmp.Compare(podPriority(b), podPriority(a)), a.CreationTimestamp.Compare(b.CreationTimestamp.Time), strings.Compare(a.Name, b.Name))
	})
	for _, pod := range waiting {
		c.schedulePod(pod)
	}
}

func podPriority(pod *corev1.Pod) int32 {
	if pod.Spec.Priority == nil {
		return 0
	}
	return *pod.Spec.Priority
}

func (c *virtualCluster) volumeObjects() (out []client.Object) {
	out = appendAll[*corev1.Namespace](c, out)
	out = appendAll[*corev1.PersistentVolume](c, out)
	out = appendAll[*corev1.PersistentVolumeClaim](c, out)
	return appendAll[*storagev1.StorageClass](c, out)
}

func appendAll[T client.Object](c *virtualCluster, out []client.Object) []client.Object {
	for _, object := range all[T](c.api) {
		out = append(out, object)
	}
	return out
}

// schedulePod binds one pod, nominates it, or marks it.
func (c *virtualCluster) schedulePod(pod *corev1.Pod) {
	cluster := c.scheduler.cluster
	nominated := pod.Status.NominatedNodeName
	if nominated != "" && c.waitsForVolume(pod) && find[*corev1.Node](c.api, "", nominated) != nil {
		return // its volume is being provisioned
	}
	cluster.RemovePod(pod)
	node := c.bestNode(pod)
	if node == "" {
		node = c.preempt(pod)
		if node == "" {
			c.markUnschedulable(pod.Name)
			return
		}
		c.changePod(pod.Name, func(p *corev1.Pod) { p.Status.NominatedNodeName = node })
		c.markUnschedulable(pod.Name)
		return
	}
	if err := cluster.Put(pod, node); err != nil {
		c.t.Fatal(err)
	}
	if c.waitsForVolume(pod) {
		c.changePod(pod.Name, func(p *corev1.Pod) { p.Status.NominatedNodeName, p.Status.Conditions = node, nil })
		c.after(c.provisioning, func() { c.provision(pod.Name, node) })
		return
	}
	c.bind(pod.Name, node)
}

// bestNode returns the node with the most cpu left among the nodes that take a pod.
func (c *virtualCluster) bestNode(pod *corev1.Pod) (best string) {
	most := int64(0)
	for _, n := range all[*corev1.Node](c.api) {
		if podstate.IsDaemon(pod) && pending.NodeOf(pod) != n.Name {
			continue
		}
		if fits, _ := c.scheduler.cluster.Fits(pod, n.Name); !fits {
			continue
		}
		if left := n.Status.Allocatable.Cpu().MilliValue() - c.requestedOn(n.Name); best == "" || left > most {
			best, most = n.Name, left
		}
	}
	return best
}

func (c *virtualCluster) requestedOn(node string) (milliCPU int64) {
	for _, pod := range all[*corev1.Pod](c.api) {
		if pod.Spec.NodeName == node && !podstate.HasEnded(pod) {
			cpu, _ := c.scheduler.cluster.Requests(pod)
			milliCPU += cpu
		}
	}
	return milliCPU
}

// preempt ends the pods of lower priority on the first node on which that makes room.
func (c *virtualCluster) preempt(pod *corev1.Pod) (node string) {
	for _, n := range all[*corev1.Node](c.api) {
		mark := c.scheduler.cluster.Checkpoint()
		var victims []*corev1.Pod
		for _, other := range all[*corev1.Pod](c.api) {
			if other.Spec.NodeName == n.Name && podPriority(other) < podPriority(pod) {
				victims = append(victims, other)
				c.scheduler.cluster.RemovePod(other)
			}
		}
		fits, _ := c.scheduler.cluster.Fits(pod, n.Name)
		c.scheduler.cluster.Revert(mark)
		if len(victims) == 0 || !fits {
			continue
		}
		for _, victim := range victims {
			c.terminate(victim)
		}
		return n.Name
	}
	return ""
}

func (c *virtualCluster) markUnschedulable(name string) {
	pod := find[*corev1.Pod](c.api, "default", name)
	if pending.IsUnschedulable(pod) {
		return
	}
	c.changePod(name, func(p *corev1.Pod) {
		p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: corev1.PodReasonUnschedulable}}
	})
	if pending.ExclusionReason(pod) == "" {
		c.reconciler.state.batch.add(c.now)
	}
}

// bind puts a pod onto a node, where it is ready after a while.
func (c *virtualCluster) bind(name, node string) {
	c.changePod(name, func(p *corev1.Pod) {
		p.Spec.NodeName, p.Status.NominatedNodeName, p.Status.Phase = node, "", corev1.PodRunning
		p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionFalse}}
	})
	uid := find[*corev1.Pod](c.api, "default", name).UID
	c.after(c.between(time.Second, 20*time.Second), func() {
		if pod := find[*corev1.Pod](c.api, "default", name); pod != nil && pod.UID == uid {
			c.changePod(name, func(p *corev1.Pod) { p.Status.Conditions = nil })
		}
	})
}

// waitsForVolume reports whether a claim of a pod is not bound.
func (c *virtualCluster) waitsForVolume(pod *corev1.Pod) bool {
	return slices.ContainsFunc(pod.Spec.Volumes, func(v corev1.Volume) bool {
		if v.PersistentVolumeClaim == nil {
			return false
		}
		claim := find[*corev1.PersistentVolumeClaim](c.api, pod.Namespace, v.PersistentVolumeClaim.ClaimName)
		return claim != nil && claim.Spec.VolumeName == ""
	})
}

// provision makes the volumes of a nominated pod and binds the pod, unless its node is gone.
func (c *virtualCluster) provision(name, node string) {
	pod := find[*corev1.Pod](c.api, "default", name)
	if pod == nil || pod.Status.NominatedNodeName != node {
		return
	}
	if find[*corev1.Node](c.api, "", node) == nil {
		c.changePod(name, func(p *corev1.Pod) { p.Status.NominatedNodeName = "" })
		return
	}
	for _, v := range pod.Spec.Volumes {
		if v.PersistentVolumeClaim == nil {
			continue
		}
		claim := find[*corev1.PersistentVolumeClaim](c.api, pod.Namespace, v.PersistentVolumeClaim.ClaimName).DeepCopy()
		claim.Spec.VolumeName, claim.Status.Phase = "pv-"+claim.Name, corev1.ClaimBound
		claim.Annotations = map[string]string{"pv.kubernetes.io/bind-completed": "yes"}
		c.api.put(&corev1.PersistentVolume{ObjectMeta: objectMeta("", claim.Spec.VolumeName), Spec: corev1.PersistentVolumeSpec{StorageClassName: *claim.Spec.StorageClassName}})
		c.api.put(claim)
	}
	c.bind(name, node)
}
