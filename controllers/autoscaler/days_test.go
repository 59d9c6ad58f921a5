package autoscaler

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	nodev1 "k8s.io/api/node/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/mesos/placement"
)

// The tests in this file play a cluster for hours and days of virtual time. What goes round in
// circles shows only then.

func intOrString(n int) intstr.IntOrString { return intstr.FromInt32(int32(n)) }

func spreadOverHosts(t *corev1.PodTemplateSpec) {
	t.Spec.TopologySpreadConstraints = append(t.Spec.TopologySpreadConstraints, corev1.TopologySpreadConstraint{
		MaxSkew: 1, TopologyKey: corev1.LabelHostname, WhenUnsatisfiable: corev1.DoNotSchedule, LabelSelector: &metav1.LabelSelector{MatchLabels: t.Labels},
	})
}

func toleratingAll(t *corev1.PodTemplateSpec) {
	t.Spec.Tolerations = append(t.Spec.Tolerations, corev1.Toleration{Operator: corev1.TolerationOpExists})
}

func requesting(name corev1.ResourceName, quantity string) func(*corev1.PodTemplateSpec) {
	return func(t *corev1.PodTemplateSpec) {
		t.Spec.Containers[0].Resources.Requests[name] = resource.MustParse(quantity)
	}
}

func onNode(node string) func(*corev1.PodTemplateSpec) {
	return func(t *corev1.PodTemplateSpec) { t.Spec.NodeSelector = map[string]string{corev1.LabelHostname: node} }
}

func TestNodesOfASpreadOverHostsStay(t *testing.T) {
	t.Parallel()
	c := newVirtualCluster(t, defaultPool("general"))
	c.addReadyNode("general", "")
	c.addReadyNode("general", "")
	c.deploy("web", 2, "1", spreadOverHosts)
	c.run(24 * time.Hour)
	c.expectAtMost(0, 0, 0)
}

// Somebody deletes a node of a spread: its pod fits on the other one only when it is gone.
func TestPodsThatFitOnceALeavingNodeIsGoneGetNoNode(t *testing.T) {
	t.Parallel()
	c := newVirtualCluster(t, defaultPool("general"))
	c.addReadyNode("general", "")
	c.addReadyNode("general", "")
	c.deploy("web", 2, "1", spreadOverHosts)
	c.run(time.Hour)
	c.deleteNode("general-1")
	c.run(24 * time.Hour)
	c.expectAtMost(0, 1, 1)
}

// A vertical autoscaler resizes each pod a minute after it has started.
func TestPodsResizedInPlaceAreMovedByTheirTemplate(t *testing.T) {
	t.Parallel()
	for name, deploy := range map[string]func(*virtualCluster, string, int, string, ...func(*corev1.PodTemplateSpec)) *workload{
		"of a ReplicaSet": (*virtualCluster).deploy, "of a StatefulSet": (*virtualCluster).deployStateful,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newVirtualCluster(t, defaultPool("general"))
			c.addReadyNode("general", "")
			c.addReadyNode("general", "")
			deploy(c, "web", 2, "3500m")
			var resize func()
			resize = func() {
				for _, pod := range all[*corev1.Pod](c.api) {
					if cpu := pod.Spec.Containers[0].Resources.Requests.Cpu(); pod.Spec.NodeName != "" && cpu.String() != "500m" {
						c.changePod(pod.Name, func(p *corev1.Pod) {
							p.Generation++
							p.Spec.Containers[0].Resources.Requests[corev1.ResourceCPU] = resource.MustParse("500m")
						})
					}
				}
				c.after(time.Minute, resize)
			}
			c.after(time.Minute, resize)
			c.run(24 * time.Hour)
			c.expectAtMost(0, 0, 0)
		})
	}
}

// A claim takes half an hour to be provisioned; the pod occupies its node all the time.
func TestNominatedPodOccupiesItsNode(t *testing.T) {
	t.Parallel()
	c := newVirtualCluster(t, defaultPool("general"))
	c.provisioning = 30 * time.Minute
	c.addReadyNode("general", "")
	class := &storagev1.StorageClass{ObjectMeta: objectMeta("", "slow"), Provisioner: "disks.example.com", VolumeBindingMode: new(storagev1.VolumeBindingWaitForFirstConsumer)}
	c.api.put(class)
	claim := &corev1.PersistentVolumeClaim{ObjectMeta: objectMeta("default", "db")}
	claim.Spec.StorageClassName, claim.Spec.AccessModes = &class.Name, []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce}
	c.api.put(claim)
	c.deploy("db", 1, "2", func(t *corev1.PodTemplateSpec) {
		t.Spec.Volumes = []corev1.Volume{{Name: "data", VolumeSource: corev1.VolumeSource{PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: "db"}}}}
	})
	c.run(time.Minute)
	if pod := find[*corev1.Pod](c.api, "default", "db-1"); pod.Status.NominatedNodeName != "general-1" || pod.Spec.NodeName != "" {
		t.Fatalf("the pod is nominated to %q and on %q", pod.Status.NominatedNodeName, pod.Spec.NodeName)
	}
	c.deploy("other", 1, "2")
	c.run(20 * time.Minute)
	if pod := find[*corev1.Pod](c.api, "default", "other-1"); pod.Spec.NodeName == "" || pod.Spec.NodeName == "general-1" {
		t.Errorf("the other pod is on %q, want a node of its own: the room was promised twice", pod.Spec.NodeName)
	}
	c.run(time.Hour)
	if pod := find[*corev1.Pod](c.api, "default", "db-1"); pod == nil || pod.Spec.NodeName != "general-1" {
		t.Errorf("the pod is %v, want it on general-1", pod)
	}
	c.expectAtMost(1, 0, 0)
}

// A node that leaves takes no pod, though the pod tolerates its cordon.
func TestPodThatToleratesEverythingIsNotMovedToALeavingNode(t *testing.T) {
	t.Parallel()
	c := newVirtualCluster(t, defaultPool("general"))
	n1, old, n2 := c.addReadyNode("general", ""), c.addReadyNode("general", ""), c.addReadyNode("general", "")
	c.deploy("agent", 1, "500m", toleratingAll, onNode(n1))
	c.deploy("held", 1, "100m", onNode(old))
	c.addBudget("held", 0)
	c.deploy("large", 1, "3900m", onNode(n2))
	c.run(time.Minute)
	for _, pod := range all[*corev1.Pod](c.api) { // nothing but room ties them to their nodes
		c.changePod(pod.Name, func(p *corev1.Pod) { p.Spec.NodeSelector = nil })
	}
	for _, w := range c.workloads {
		w.template.Spec.NodeSelector = nil
	}
	c.deleteNode(old)
	c.run(24 * time.Hour)
	c.expectAtMost(0, 1, 0)
}

// A drain evicts such a pod once, and ends although the pod comes back.
func TestDrainEndsThoughPodsComeBack(t *testing.T) {
	t.Parallel()
	c := newVirtualCluster(t, defaultPool("general"))
	name := c.addReadyNode("general", "")
	c.deploy("agent", 1, "500m", toleratingAll)
	c.run(time.Minute)
	c.deleteNode(name)
	c.run(time.Hour)
	if find[*corev1.Node](c.api, "", name) != nil {
		t.Errorf("the node is still there after an hour, and %d pods were evicted", c.evicted)
	}
	c.expectAtMost(1, 1, 1)
}

// The drain of a node takes its time. Its pods have a claim to the room that they were to go to.
func TestRoomIsNotPromisedToPodsOfTwoLeavingNodes(t *testing.T) {
	t.Parallel()
	c := newVirtualCluster(t, defaultPool("general"))
	for range 12 {
		c.addReadyNode("general", "")
	}
	for i := range 9 {
		c.deploy(fmt.Sprintf("full-%d", i), 1, "3900m", onNode(fmt.Sprintf("general-%d", i+1)))
	}
	c.deploy("x", 1, "1500m", onNode("general-10"))
	c.deploy("y", 1, "1500m", onNode("general-11"))
	c.deploy("z", 1, "2", onNode("general-12"))
	c.run(time.Minute)
	for _, pod := range all[*corev1.Pod](c.api) {
		c.changePod(pod.Name, func(p *corev1.Pod) { p.Spec.NodeSelector = nil })
	}
	for _, w := range c.workloads {
		w.template.Spec.NodeSelector = nil
	}
	c.run(24 * time.Hour)
	c.expectAtMost(0, 1, 1)
}

// The evictions of a node that is being drained are taken out of the budget at once, though the
// budget's status shows them only when they are done.
func TestDisruptionBudgetIsNotSpentTwice(t *testing.T) {
	t.Parallel()
	c := newVirtualCluster(t, defaultPool("general", func(p *v1alpha1.MesosNodePool) {
		p.Spec.Disruption.Budgets = []v1alpha1.DisruptionBudget{{Nodes: intOrString(10)}}
	}))
	for i := range 3 {
		c.addReadyNode("general", "")
		c.deploy(fmt.Sprintf("web-%d", i), 1, "500m", onNode(fmt.Sprintf("general-%d", i+1)), func(t *corev1.PodTemplateSpec) { t.Labels["app"] = "web" })
	}
	c.addBudget("web", 1)
	c.run(time.Minute)
	for _, w := range c.workloads {
		w.template.Spec.NodeSelector = nil
	}
	for _, pod := range all[*corev1.Pod](c.api) {
		c.changePod(pod.Name, func(p *corev1.Pod) { p.Spec.NodeSelector = nil })
	}
	for range 3600 {
		c.run(time.Second)
		if leaving := 3 - len(c.nodesOf("general")) - c.gone(); leaving > 1 {
			t.Fatalf("%d nodes are being drained, and the budget allows one eviction", leaving)
		}
	}
	c.expectAtMost(0, 2, 3)
}

// gone returns the number of removed nodes that do not exist any more.
func (c *virtualCluster) gone() int {
	leaving := 0
	for _, n := range all[*v1alpha1.MesosNode](c.api) {
		if !n.DeletionTimestamp.IsZero() {
			leaving++
		}
	}
	return c.removed - leaving
}

// The scheduler has chosen a node in the moment in which the autoscaler decides to remove it.
func TestPodThatMustNotBeDisruptedComesDuringTheDecision(t *testing.T) {
	t.Parallel()
	c := newVirtualCluster(t, defaultPool("general"))
	name := c.addReadyNode("general", "")
	came := false
	come := func() {
		if came {
			return
		}
		came = true
		template := podTemplate("batch", "1")
		template.Annotations = map[string]string{v1alpha1.AnnotationDoNotDisrupt: "true"}
		c.createPod("batch", template, metav1.OwnerReference{APIVersion: "batch/v1", Kind: "Job", Name: "batch", UID: "batch", Controller: new(true)})
		c.after(300*time.Millisecond, func() { c.bind("batch", name) })
	}
	c.onDecision = func(string) { come() }
	c.run(24 * time.Hour)
	if !came {
		t.Fatal("the node was never decided on")
	}
	pod := find[*corev1.Pod](c.api, "default", "batch")
	if pod == nil || !pod.DeletionTimestamp.IsZero() || pod.Spec.NodeName != name {
		t.Errorf("the pod is %v, want it undisturbed", pod)
	}
	if n := find[*corev1.Node](c.api, "", name); n == nil || len(n.Spec.Taints) > 0 {
		t.Errorf("the node is %v, want it without taints", n)
	}
	c.expectAtMost(0, 0, 0)
	c.api.remove(pod)
	c.run(time.Hour)
	if c.removed != 1 {
		t.Errorf("%d nodes were removed when the pod was gone, want 1", c.removed)
	}
}

func TestDaemonSetPodsCountAsAdmissionMakesThem(t *testing.T) {
	t.Parallel()
	limited := func(t *corev1.PodTemplateSpec) {
		t.Spec.Containers[0].Resources.Limits = corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("1")}
	}
	ranges := &corev1.LimitRange{ObjectMeta: objectMeta("default", "defaults")}
	ranges.Spec.Limits = []corev1.LimitRangeItem{{Type: corev1.LimitTypeContainer, DefaultRequest: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("1")}}}
	for name, setUp := range map[string]func(*virtualCluster){
		"by a LimitRange": func(c *virtualCluster) { c.api.put(ranges.DeepCopy()); c.deployDaemons("logs", "") },
		"by their limits": func(c *virtualCluster) { c.deployDaemons("logs", "", limited) },
		"by a RuntimeClass": func(c *virtualCluster) {
			c.api.put(&nodev1.RuntimeClass{ObjectMeta: objectMeta("", "kata"), Handler: "kata", Overhead: &nodev1.Overhead{PodFixed: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("1")}}})
			c.deployDaemons("logs", "", func(t *corev1.PodTemplateSpec) { t.Spec.RuntimeClassName = new("kata") })
		},
		"by their template": func(c *virtualCluster) { c.deployDaemons("logs", "1") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newVirtualCluster(t, defaultPool("general"))
			setUp(c)
			c.deploy("web", 1, "3500m")
			c.run(4 * time.Hour)
			if c.created > 0 {
				t.Errorf("%d nodes were created in vain", c.created)
			}
			c.expectRefusal("web-1", "Insufficient cpu")
		})
	}
}

// expectRefusal expects a pod to wait and to have been told why.
func (c *virtualCluster) expectRefusal(pod, reason string) {
	c.t.Helper()
	if waiting := c.pendingPods(); !slices.Contains(waiting, pod) {
		c.t.Errorf("the pods that wait are %v, want %s", waiting, pod)
	}
	for len(c.recorder.Events) > 0 {
		if e := <-c.recorder.Events; strings.Contains(e, reason) {
			return
		}
	}
	c.t.Errorf("no event says %q", reason)
}

// zones makes Mesos have agents in these zones, and drivers label the nodes with theirs.
func (c *virtualCluster) zones(names ...string) {
	for _, name := range names {
		c.capacity.Totals = append(c.capacity.Totals, &placement.Offer{Agent: placement.Agent{ID: name, Zone: name}})
	}
	c.onRegister = append(c.onRegister, func(n *corev1.Node) {
		if zone := n.Labels[corev1.LabelTopologyZone]; zone != "" {
			n.Labels["topology.disks.example.com/zone"] = zone
		}
		n.Labels["topology.local.example.com/node"] = n.Name
	})
}

// addVolume makes a claim that is bound to a volume on nodes with a label.
func (c *virtualCluster) addVolume(name, label, value string) func(*corev1.PodTemplateSpec) {
	class := "disks"
	c.api.put(&storagev1.StorageClass{ObjectMeta: objectMeta("", class), Provisioner: "disks.example.com"})
	volume := &corev1.PersistentVolume{ObjectMeta: objectMeta("", "pv-"+name)}
	volume.Spec.StorageClassName = class
	volume.Spec.NodeAffinity = &corev1.VolumeNodeAffinity{Required: &corev1.NodeSelector{NodeSelectorTerms: []corev1.NodeSelectorTerm{{
		MatchExpressions: []corev1.NodeSelectorRequirement{{Key: label, Operator: corev1.NodeSelectorOpIn, Values: []string{value}}}}}}}
	c.api.put(volume)
	claim := &corev1.PersistentVolumeClaim{ObjectMeta: objectMeta("default", name)}
	claim.Annotations = map[string]string{"pv.kubernetes.io/bind-completed": "yes"}
	claim.Spec.StorageClassName, claim.Spec.VolumeName, claim.Status.Phase = &class, volume.Name, corev1.ClaimBound
	c.api.put(claim)
	return func(t *corev1.PodTemplateSpec) {
		t.Spec.Volumes = []corev1.Volume{{Name: "data", VolumeSource: corev1.VolumeSource{PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: name}}}}
	}
}

func TestNodeIsMadeInTheZoneOfADriversOwnLabel(t *testing.T) {
	t.Parallel()
	c := newVirtualCluster(t, defaultPool("general"))
	c.zones("a", "b")
	c.addReadyNode("general", "b")
	c.deploy("full", 1, "3900m")
	c.run(time.Minute)
	c.deploy("db", 1, "1", c.addVolume("db", "topology.disks.example.com/zone", "b"))
	c.run(4 * time.Hour)
	c.expectAtMost(1, 0, 0)
}

func TestVolumeOfAnotherNodeMakesNoNode(t *testing.T) {
	t.Parallel()
	c := newVirtualCluster(t, defaultPool("general"))
	c.zones("a", "b")
	name := c.addReadyNode("general", "b")
	c.deploy("full", 1, "3900m")
	c.run(time.Minute)
	c.deploy("db", 1, "1", c.addVolume("db", "topology.local.example.com/node", name))
	c.run(4 * time.Hour)
	if c.created > 0 {
		t.Errorf("%d nodes were created for a volume that is on another node", c.created)
	}
	c.expectRefusal("db-1", "node(s) didn't match PersistentVolume's node affinity")
}

func TestPodNearADaemonSetPodGetsANode(t *testing.T) {
	t.Parallel()
	c := newVirtualCluster(t, defaultPool("general"))
	c.deployDaemons("cache", "100m")
	c.deploy("web", 1, "1", func(t *corev1.PodTemplateSpec) {
		t.Spec.Affinity = &corev1.Affinity{PodAffinity: &corev1.PodAffinity{RequiredDuringSchedulingIgnoredDuringExecution: []corev1.PodAffinityTerm{{
			TopologyKey: corev1.LabelHostname, LabelSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "cache"}}}}}}
	})
	c.run(4 * time.Hour)
	c.expectAtMost(1, 0, 0)
}

func TestStaticPodsOfTheTemplateCount(t *testing.T) {
	t.Parallel()
	manifest := `{"apiVersion":"v1","kind":"Pod","metadata":{"name":"proxy","namespace":"kube-system"},"spec":{"containers":[{"name":"main","image":"x","resources":{"%s":{"cpu":"1"}}}]}}`
	for _, stated := range []string{"requests", "limits"} {
		t.Run("by their "+stated, func(t *testing.T) {
			t.Parallel()
			c := newVirtualCluster(t, defaultPool("general", func(p *v1alpha1.MesosNodePool) {
				p.Spec.Template.Spec.Kubelet.StaticPods = []runtime.RawExtension{{Raw: fmt.Appendf(nil, manifest, stated)}}
			}))
			c.deploy("web", 1, "3500m")
			c.run(4 * time.Hour)
			if c.created > 0 {
				t.Errorf("%d nodes were created in vain", c.created)
			}
			c.expectRefusal("web-1", "Insufficient cpu")
		})
	}
}

// breakNode lets the kubelet of a node die, while its task goes on running.
func (c *virtualCluster) breakNode(name string) {
	c.changeNode(name, func(n *corev1.Node) {
		n.Spec.Taints = append(n.Spec.Taints, corev1.Taint{Key: corev1.TaintNodeUnreachable, Effect: corev1.TaintEffectNoSchedule}, corev1.Taint{Key: corev1.TaintNodeUnreachable, Effect: corev1.TaintEffectNoExecute})
	})
	c.setCondition(name, v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonNodeNotReady)
}

func TestBrokenNodeIsNotCountedAsCapacity(t *testing.T) {
	t.Parallel()
	one := new(int32(1))
	for name, limit := range map[string]func(*v1alpha1.MesosNodePool){
		"of the maximum": func(p *v1alpha1.MesosNodePool) { p.Spec.Autoscaling.MaxReplicas = one },
		"of the minimum": func(p *v1alpha1.MesosNodePool) { p.Spec.Autoscaling.MinReplicas = 1 },
		"of the limits":  func(p *v1alpha1.MesosNodePool) { p.Spec.Autoscaling.Limits.CPU = new(resource.MustParse("4")) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newVirtualCluster(t, defaultPool("general", limit))
			broken := c.addReadyNode("general", "")
			c.run(time.Second)
			c.breakNode(broken)
			c.run(time.Minute)
			c.deploy("web", 1, "1")
			c.run(24 * time.Hour)
			c.expectAtMost(1, 0, 0)
		})
	}
}

// Nodes that all break must not be replaced without end.
func TestPoolWhoseNodesAllBreakDoesNotGrowWithoutEnd(t *testing.T) {
	t.Parallel()
	c := newVirtualCluster(t, defaultPool("general", func(p *v1alpha1.MesosNodePool) { p.Spec.Autoscaling.MaxReplicas = new(int32(1)) }))
	c.deploy("web", 1, "1")
	for range 4 * 60 {
		c.run(time.Minute)
		for _, name := range c.nodesOf("general") {
			if n := find[*corev1.Node](c.api, "", name); n != nil && len(n.Spec.Taints) == 0 {
				c.breakNode(name)
				for _, pod := range c.podsOn(name) {
					c.terminate(find[*corev1.Pod](c.api, "default", pod))
				}
			}
		}
	}
	if c.created > 2 {
		t.Errorf("%d nodes were created in a pool of one", c.created)
	}
}

// A device plugin announces its devices 20 seconds after the node is ready.
func TestDevicesAreAwaitedWhileANodeComesUp(t *testing.T) {
	t.Parallel()
	const device = "example.com/device"
	c := newVirtualCluster(t, defaultPool("general"))
	announce := func(name string) {
		c.changeNode(name, func(n *corev1.Node) {
			n.Status.Allocatable = n.Status.Allocatable.DeepCopy()
			n.Status.Allocatable[device] = resource.MustParse("1")
		})
	}
	old := c.addReadyNode("general", "")
	announce(old)
	c.deploy("first", 1, "1", requesting(device, "1"))
	c.run(time.Hour)
	c.onReady = func(name string) { c.after(20*time.Second, func() { announce(name) }) }
	c.deploy("second", 1, "1", requesting(device, "1"))
	c.run(24 * time.Hour)
	c.expectAtMost(1, 0, 0)
}

func TestEphemeralStorageFromZero(t *testing.T) {
	t.Parallel()
	c := newVirtualCluster(t, defaultPool("general"))
	c.onRegister = append(c.onRegister, func(n *corev1.Node) {
		n.Status.Allocatable[corev1.ResourceEphemeralStorage] = resource.MustParse("50Gi") // of the agent's file system
	})
	c.deploy("first", 1, "3", requesting(corev1.ResourceEphemeralStorage, "1Gi"))
	c.run(time.Hour)
	c.deploy("second", 1, "3", requesting(corev1.ResourceEphemeralStorage, "1Gi"))
	c.run(time.Hour)
	c.expectAtMost(2, 0, 0)
}
