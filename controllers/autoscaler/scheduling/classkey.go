package scheduling

import (
	"encoding/binary"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins/names"
)

// classKeyFuncs has, for each plugin, a function that encodes what the plugin looks at in a
// pod. Pods with the same encoding get the same answers from the plugin. A plugin that has no
// function, or whose function returns nil, is asked about each pod anew.
var classKeyFuncs = map[string]func(classKey, *corev1.Pod) classKey{
	names.NodeUnschedulable:  classKey.tolerations,
	names.TaintToleration:    classKey.tolerations,
	names.NodeAffinity:       classKey.nodeAffinity,
	names.NodePorts:          classKey.ports,
	names.NodeResourcesFit:   classKey.requests,
	names.PodTopologySpread:  classKey.spread,
	names.InterPodAffinity:   classKey.podAffinity,
	names.VolumeRestrictions: classKey.volumes,
	names.NodeVolumeLimits:   classKey.volumes,
	names.VolumeBinding:      classKey.volumes,
	names.VolumeZone:         classKey.volumes,
	names.DynamicResources:   classKey.claims,
}

// classKey is an unambiguous encoding of parts of a pod.
type classKey []byte

type marshaler interface{ Marshal() ([]byte, error) }

// appendMessage appends an API object. It panics if the object cannot be encoded, which does
// not happen for the API types used here: their encoders return no errors.
func (k classKey) appendMessage(m marshaler) classKey {
	encoded, err := m.Marshal()
	if err != nil {
		panic("encoding part of a pod: " + err.Error())
	}
	k = binary.AppendUvarint(k, uint64(len(encoded)))
	return append(k, encoded...)
}

func (k classKey) appendString(s string) classKey {
	k = binary.AppendUvarint(k, uint64(len(s)))
	return append(k, s...)
}

func (k classKey) appendMap(m map[string]string) classKey {
	k = binary.AppendUvarint(k, uint64(len(m)))
	if len(m) == 1 {
		for name, value := range m {
			return k.appendString(name).appendString(value)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(m)) {
		k = k.appendString(name).appendString(m[name])
	}
	return k
}

func (k classKey) tolerations(pod *corev1.Pod) classKey {
	for i := range pod.Spec.Tolerations {
		k = k.appendMessage(&pod.Spec.Tolerations[i])
	}
	return k
}

func (k classKey) nodeAffinity(pod *corev1.Pod) classKey {
	k = k.appendMap(pod.Spec.NodeSelector)
	if affinity := pod.Spec.Affinity; affinity != nil && affinity.NodeAffinity != nil {
		if required := affinity.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution; required != nil {
			k = k.appendMessage(required)
		}
	}
	return k
}

func (k classKey) ports(pod *corev1.Pod) classKey {
	for _, containers := range [][]corev1.Container{pod.Spec.InitContainers, pod.Spec.Containers} {
		for i := range containers {
			for j := range containers[i].Ports {
				if containers[i].Ports[j].HostPort > 0 {
					k = k.restartPolicy(&containers[i]).appendMessage(&containers[i].Ports[j])
				}
			}
		}
		k = append(k, ';')
	}
	return k
}

func (k classKey) requests(pod *corev1.Pod) classKey {
	for _, containers := range [][]corev1.Container{pod.Spec.InitContainers, pod.Spec.Containers} {
		for i := range containers {
			k = k.restartPolicy(&containers[i]).appendMessage(&containers[i].Resources)
		}
		k = append(k, ';')
	}
	if pod.Spec.Resources != nil {
		k = k.appendMessage(pod.Spec.Resources)
	}
	k = append(k, ';')
	for _, name := range slices.Sorted(maps.Keys(pod.Spec.Overhead)) {
		quantity := pod.Spec.Overhead[name]
		k = k.appendString(string(name)).appendString(quantity.String())
	}
	return k
}

// restartPolicy encodes the restart policy of a container: an init container that restarts
// counts as an ordinary container.
func (k classKey) restartPolicy(container *corev1.Container) classKey {
	if container.RestartPolicy == nil {
		return k.appendString("")
	}
	return k.appendString(string(*container.RestartPolicy))
}

// volumes returns nil for a pod with a volume that plugins look at: such a pod is in a class
// of its own. Plugins do not look at volumes that are made on the node.
func (k classKey) volumes(pod *corev1.Pod) classKey {
	for i := range pod.Spec.Volumes {
		switch v := &pod.Spec.Volumes[i].VolumeSource; {
		case v.ConfigMap != nil, v.Secret != nil, v.EmptyDir != nil, v.Projected != nil, v.DownwardAPI != nil, v.HostPath != nil:
		default:
			return nil
		}
	}
	return k
}

// claims returns nil for a pod that claims devices. Nothing is known of devices, so all other
// pods are alike.
func (k classKey) claims(pod *corev1.Pod) classKey {
	if len(pod.Spec.ResourceClaims) > 0 {
		return nil
	}
	return k
}

// spread encodes the constraints of a pod. Of the pod's own labels it encodes only whether a
// constraint selects them, and the values of the label keys that a constraint names.
func (k classKey) spread(pod *corev1.Pod) classKey {
	constraints := hardConstraints(pod)
	if len(constraints) == 0 {
		return k
	}
	k = k.appendString(pod.Namespace)
	for _, constraint := range constraints {
		k = k.appendMessage(constraint)
		if selector, err := metav1.LabelSelectorAsSelector(constraint.LabelSelector); err == nil && selector.Matches(labels.Set(pod.Labels)) {
			k = append(k, '=')
		}
		for _, name := range constraint.MatchLabelKeys {
			if value, ok := pod.Labels[name]; ok {
				k = append(k, '!').appendString(value)
			}
			k = append(k, ';')
		}
	}
	return append(k.nodeAffinity(pod), ';').tolerations(pod)
}

// hardConstraints returns the topology spread constraints that the scheduler enforces.
func hardConstraints(pod *corev1.Pod) []*corev1.TopologySpreadConstraint {
	var hard []*corev1.TopologySpreadConstraint
	for i := range pod.Spec.TopologySpreadConstraints {
		if pod.Spec.TopologySpreadConstraints[i].WhenUnsatisfiable == corev1.DoNotSchedule {
			hard = append(hard, &pod.Spec.TopologySpreadConstraints[i])
		}
	}
	return hard
}

func (k classKey) podAffinity(pod *corev1.Pod) classKey {
	k = k.appendString(pod.Namespace).appendMap(pod.Labels)
	affinity := pod.Spec.Affinity
	if affinity == nil {
		return k
	}
	if affinity.PodAffinity != nil {
		for i := range affinity.PodAffinity.RequiredDuringSchedulingIgnoredDuringExecution {
			k = append(k, '+').appendMessage(&affinity.PodAffinity.RequiredDuringSchedulingIgnoredDuringExecution[i])
		}
	}
	if affinity.PodAntiAffinity != nil {
		for i := range affinity.PodAntiAffinity.RequiredDuringSchedulingIgnoredDuringExecution {
			k = append(k, '-').appendMessage(&affinity.PodAntiAffinity.RequiredDuringSchedulingIgnoredDuringExecution[i])
		}
	}
	return k
}
