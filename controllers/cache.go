package controllers

import (
	"slices"
	"sync"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/controllers/autoscaler/decision"
)

// Cache returns the options of the manager's cache: it holds no secrets but those of the
// operator's own namespace, no ConfigMaps but those with the names of nodes, and of all objects only the fields that a controller reads. A trimmed
// object must never be updated, only patched.
func Cache(namespace string) cache.Options {
	pods := &podInterner{}
	return cache.Options{
		DefaultTransform: cache.TransformStripManagedFields(),
		ByObject: map[client.Object]cache.ByObject{
			&corev1.Secret{}:    {Namespaces: map[string]cache.Config{namespace: {}}},
			&corev1.ConfigMap{}: {Namespaces: map[string]cache.Config{namespace: {LabelSelector: labels.SelectorFromSet(labels.Set{v1alpha1.LabelNodeNames: "true"})}}},
			&corev1.Node{}:      {Transform: trimNode},
			&corev1.Pod{}:       {Transform: pods.trim},
		},
	}
}

// trimNode drops the large fields of a Node that no controller reads.
func trimNode(object any) (any, error) {
	if n, ok := object.(*corev1.Node); ok {
		n.ManagedFields = nil
		n.Status.Images, n.Status.VolumesInUse, n.Status.VolumesAttached = nil, nil, nil
	}
	return object, nil
}

// trimPod keeps the fields of a Pod that decide where it can run, and whether it may be moved.
func trimPod(p *corev1.Pod) *corev1.Pod {
	kept := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: p.Namespace, Name: p.Name, UID: p.UID, ResourceVersion: p.ResourceVersion, Generation: p.Generation,
			CreationTimestamp: p.CreationTimestamp, DeletionTimestamp: p.DeletionTimestamp,
			Labels: p.Labels, Annotations: trimAnnotations(p.Annotations), OwnerReferences: p.OwnerReferences,
		},
		Spec: corev1.PodSpec{
			NodeName: p.Spec.NodeName, SchedulerName: p.Spec.SchedulerName, Priority: p.Spec.Priority,
			NodeSelector: p.Spec.NodeSelector, Affinity: p.Spec.Affinity, Tolerations: p.Spec.Tolerations,
			TopologySpreadConstraints: p.Spec.TopologySpreadConstraints, SchedulingGates: p.Spec.SchedulingGates,
			Resources: p.Spec.Resources, Overhead: p.Spec.Overhead, ResourceClaims: p.Spec.ResourceClaims,
			OS: p.Spec.OS, HostNetwork: p.Spec.HostNetwork, HostUsers: p.Spec.HostUsers, SchedulingGroup: p.Spec.SchedulingGroup, Volumes: trimVolumes(p.Spec.Volumes),
			Containers: trimContainers(p.Spec.Containers), InitContainers: trimContainers(p.Spec.InitContainers),
		},
		Status: trimStatus(&p.Status),
	}
	if len(kept.Annotations) > 0 {
		kept.Status.StartTime = p.Status.StartTime // do-not-disrupt may end some time after it
	}
	return kept
}

func trimAnnotations(annotations map[string]string) map[string]string {
	var kept map[string]string
	for _, key := range append([]string{corev1.MirrorPodAnnotationKey}, decision.PodAnnotations...) {
		if value, ok := annotations[key]; ok {
			if kept == nil {
				kept = map[string]string{}
			}
			kept[key] = value
		}
	}
	return kept
}

// trimVolumes drops the volumes that every node can provide alike.
func trimVolumes(volumes []corev1.Volume) []corev1.Volume {
	return slices.Clip(slices.DeleteFunc(volumes, func(v corev1.Volume) bool {
		return v.ConfigMap != nil || v.Secret != nil || v.Projected != nil || v.DownwardAPI != nil || v.Image != nil
	}))
}

func trimContainers(containers []corev1.Container) []corev1.Container {
	var kept []corev1.Container
	for i := range containers {
		c := &containers[i]
		kept = append(kept, corev1.Container{
			Name: c.Name, Ports: c.Ports, Resources: c.Resources, RestartPolicy: c.RestartPolicy,
			RestartPolicyRules: c.RestartPolicyRules, VolumeMounts: trimMounts(c.VolumeMounts),
		})
	}
	return kept
}

// trimMounts keeps the mounts that not every kubelet supports.
func trimMounts(mounts []corev1.VolumeMount) []corev1.VolumeMount {
	var kept []corev1.VolumeMount
	for i := range mounts {
		if len(mounts[i].BindMountOptions) > 0 {
			kept = append(kept, mounts[i])
		}
	}
	return kept
}

// trimStatus keeps that a pod is not scheduled, that it is not ready, which disruption budgets
// depend on, and the resources of its containers while they are being resized.
func trimStatus(s *corev1.PodStatus) corev1.PodStatus {
	kept := corev1.PodStatus{Phase: s.Phase, NominatedNodeName: s.NominatedNodeName, ResourceClaimStatuses: s.ResourceClaimStatuses}
	resizes := false
	for _, c := range s.Conditions {
		switch c.Type {
		case corev1.PodResizePending, corev1.PodResizeInProgress:
			resizes = true
		case corev1.PodScheduled, corev1.PodReady:
			if c.Status == corev1.ConditionTrue {
				continue
			}
		default:
			continue
		}
		kept.Conditions = append(kept.Conditions, corev1.PodCondition{Type: c.Type, Status: c.Status, Reason: c.Reason})
	}
	if resizes {
		kept.Resources, kept.AllocatedResources = s.Resources, s.AllocatedResources
		kept.ContainerStatuses, kept.InitContainerStatuses = trimContainerStatuses(s.ContainerStatuses), trimContainerStatuses(s.InitContainerStatuses)
	}
	return kept
}

func trimContainerStatuses(statuses []corev1.ContainerStatus) []corev1.ContainerStatus {
	var kept []corev1.ContainerStatus
	for i := range statuses {
		s := &statuses[i]
		kept = append(kept, corev1.ContainerStatus{Name: s.Name, Resources: s.Resources, AllocatedResources: s.AllocatedResources})
	}
	return kept
}

// maxInternedPods bounds the number of templates that are remembered.
const maxInternedPods = 4096

// podInterner makes pods of one template share the fields that they have in common: tens of
// thousands of pods are made from some hundred templates.
type podInterner struct {
	mu    sync.Mutex
	known map[string]*corev1.Pod
}

// trim is a cache.TransformFunc.
func (i *podInterner) trim(object any) (any, error) {
	full, ok := object.(*corev1.Pod)
	if !ok {
		return object, nil
	}
	pod := trimPod(full)
	like := corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: pod.Namespace, Labels: pod.Labels, Annotations: pod.Annotations, OwnerReferences: pod.OwnerReferences},
		Spec:       pod.Spec,
	}
	like.Spec.NodeName = ""
	key, err := like.Marshal()
	if err != nil {
		return nil, err
	}
	shared := i.intern(string(key), &like)
	pod.Namespace, pod.Labels, pod.Annotations, pod.OwnerReferences = shared.Namespace, shared.Labels, shared.Annotations, shared.OwnerReferences
	node := pod.Spec.NodeName
	pod.Spec = shared.Spec
	pod.Spec.NodeName = node
	return pod, nil
}

// intern returns the first pod that was like this one. When too many are known, all are
// forgotten: those that are still used come again.
func (i *podInterner) intern(key string, pod *corev1.Pod) *corev1.Pod {
	i.mu.Lock()
	defer i.mu.Unlock()
	if known := i.known[key]; known != nil {
		return known
	}
	if i.known == nil || len(i.known) >= maxInternedPods {
		i.known = map[string]*corev1.Pod{}
	}
	i.known[key] = pod
	return pod
}
