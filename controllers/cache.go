package controllers

import (
	"slices"
	"sync"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/k8sm/k8sm/controllers/autoscaler/decision"
)

// Cache is how the manager is to cache: no secrets but those in the operator's own
// namespace, and of all objects only what is looked at. A trimmed object is never
// updated, only patched.
func Cache(namespace string) cache.Options {
	pods := &moulds{}
	return cache.Options{
		DefaultTransform: cache.TransformStripManagedFields(),
		ByObject: map[client.Object]cache.ByObject{
			&corev1.Secret{}: {Namespaces: map[string]cache.Config{namespace: {}}},
			&corev1.Node{}:   {Transform: trimNode},
			&corev1.Pod{}:    {Transform: pods.trim},
		},
	}
}

// trimNode drops what is large in a Node and of no use here.
func trimNode(object any) (any, error) {
	if n, ok := object.(*corev1.Node); ok {
		n.ManagedFields = nil
		n.Status.Images, n.Status.VolumesInUse, n.Status.VolumesAttached = nil, nil, nil
	}
	return object, nil
}

// trimPod keeps of a Pod what its place depends on, and whether it may be moved.
func trimPod(p *corev1.Pod) *corev1.Pod {
	return &corev1.Pod{
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

// trimVolumes drops those that are the same everywhere.
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

// trimMounts keeps those that not every kubelet can do.
func trimMounts(mounts []corev1.VolumeMount) []corev1.VolumeMount {
	var kept []corev1.VolumeMount
	for i := range mounts {
		if len(mounts[i].BindMountOptions) > 0 {
			kept = append(kept, mounts[i])
		}
	}
	return kept
}

// trimStatus keeps that a pod has no place, or does not serve, which budgets for its
// disruption ask, and what containers have of their resources while that is being changed.
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

// mostMoulds bounds how many templates are remembered.
const mostMoulds = 4096

// moulds have pods that were made alike share what they have in common: tens of thousands
// of pods are made from some hundred templates.
type moulds struct {
	mu    sync.Mutex
	known map[string]*corev1.Pod
}

// trim is a cache.TransformFunc.
func (m *moulds) trim(object any) (any, error) {
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
	mould := m.of(string(key), &like)
	pod.Namespace, pod.Labels, pod.Annotations, pod.OwnerReferences = mould.Namespace, mould.Labels, mould.Annotations, mould.OwnerReferences
	node := pod.Spec.NodeName
	pod.Spec = mould.Spec
	pod.Spec.NodeName = node
	return pod, nil
}

// of returns the first that was like this one. When too many are known, all are forgotten:
// those that are still used come again.
func (m *moulds) of(key string, pod *corev1.Pod) *corev1.Pod {
	m.mu.Lock()
	defer m.mu.Unlock()
	if known := m.known[key]; known != nil {
		return known
	}
	if m.known == nil || len(m.known) >= mostMoulds {
		m.known = map[string]*corev1.Pod{}
	}
	m.known[key] = pod
	return pod
}
