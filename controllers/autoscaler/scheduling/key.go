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

// keys say, for a plugin, what it looks at in a pod: pods of the same key get the same
// answers from it, and are a class. Where there is none, or it is nil, the plugin is asked
// about each pod anew.
var keys = map[string]func(key, *corev1.Pod) key{
	names.NodeUnschedulable:  key.tolerations,
	names.TaintToleration:    key.tolerations,
	names.NodeAffinity:       key.nodeAffinity,
	names.NodePorts:          key.ports,
	names.NodeResourcesFit:   key.requests,
	names.PodTopologySpread:  key.spread,
	names.InterPodAffinity:   key.podAffinity,
	names.VolumeRestrictions: key.volumes,
	names.NodeVolumeLimits:   key.volumes,
	names.VolumeBinding:      key.volumes,
	names.VolumeZone:         key.volumes,
	names.DynamicResources:   key.claims,
}

// key is what a plugin looks at, in some unambiguous form.
type key []byte

type message interface{ Marshal() ([]byte, error) }

func (k key) message(m message) key {
	encoded, err := m.Marshal()
	if err != nil {
		// Never with types of the API: their encoders don't fail.
		panic("encoding part of a pod: " + err.Error())
	}
	k = binary.AppendUvarint(k, uint64(len(encoded)))
	return append(k, encoded...)
}

func (k key) text(s string) key {
	k = binary.AppendUvarint(k, uint64(len(s)))
	return append(k, s...)
}

func (k key) texts(m map[string]string) key {
	k = binary.AppendUvarint(k, uint64(len(m)))
	if len(m) == 1 {
		for name, value := range m {
			return k.text(name).text(value)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(m)) {
		k = k.text(name).text(m[name])
	}
	return k
}

func (k key) tolerations(pod *corev1.Pod) key {
	for i := range pod.Spec.Tolerations {
		k = k.message(&pod.Spec.Tolerations[i])
	}
	return k
}

func (k key) nodeAffinity(pod *corev1.Pod) key {
	k = k.texts(pod.Spec.NodeSelector)
	if affinity := pod.Spec.Affinity; affinity != nil && affinity.NodeAffinity != nil {
		if required := affinity.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution; required != nil {
			k = k.message(required)
		}
	}
	return k
}

func (k key) ports(pod *corev1.Pod) key {
	for _, containers := range [][]corev1.Container{pod.Spec.InitContainers, pod.Spec.Containers} {
		for i := range containers {
			for j := range containers[i].Ports {
				if containers[i].Ports[j].HostPort > 0 {
					k = k.restart(&containers[i]).message(&containers[i].Ports[j])
				}
			}
		}
		k = append(k, ';')
	}
	return k
}

func (k key) requests(pod *corev1.Pod) key {
	for _, containers := range [][]corev1.Container{pod.Spec.InitContainers, pod.Spec.Containers} {
		for i := range containers {
			k = k.restart(&containers[i]).message(&containers[i].Resources)
		}
		k = append(k, ';')
	}
	if pod.Spec.Resources != nil {
		k = k.message(pod.Spec.Resources)
	}
	k = append(k, ';')
	for _, name := range slices.Sorted(maps.Keys(pod.Spec.Overhead)) {
		quantity := pod.Spec.Overhead[name]
		k = k.text(string(name)).text(quantity.String())
	}
	return k
}

// restart: an init container that restarts counts as a container.
func (k key) restart(container *corev1.Container) key {
	if container.RestartPolicy == nil {
		return k.text("")
	}
	return k.text(string(*container.RestartPolicy))
}

// volumes: pods that have none are alike. Others have each their own, but for those that are
// made on the node: these no plugin looks at.
func (k key) volumes(pod *corev1.Pod) key {
	for i := range pod.Spec.Volumes {
		switch v := &pod.Spec.Volumes[i].VolumeSource; {
		case v.ConfigMap != nil, v.Secret != nil, v.EmptyDir != nil, v.Projected != nil, v.DownwardAPI != nil, v.HostPath != nil:
		default:
			return nil
		}
	}
	return k
}

// claims: nothing is known of devices, so that all pods are alike that claim none.
func (k key) claims(pod *corev1.Pod) key {
	if len(pod.Spec.ResourceClaims) > 0 {
		return nil
	}
	return k
}

// spread: of the pod's own labels it matters only whether they are selected, and what they
// say under the labels that a constraint names.
func (k key) spread(pod *corev1.Pod) key {
	constraints := hardConstraints(pod)
	if len(constraints) == 0 {
		return k
	}
	k = k.text(pod.Namespace)
	for _, constraint := range constraints {
		k = k.message(constraint)
		if selector, err := metav1.LabelSelectorAsSelector(constraint.LabelSelector); err == nil && selector.Matches(labels.Set(pod.Labels)) {
			k = append(k, '=')
		}
		for _, name := range constraint.MatchLabelKeys {
			if value, ok := pod.Labels[name]; ok {
				k = append(k, '!').text(value)
			}
			k = append(k, ';')
		}
	}
	return append(k.nodeAffinity(pod), ';').tolerations(pod)
}

func hardConstraints(pod *corev1.Pod) []*corev1.TopologySpreadConstraint {
	var hard []*corev1.TopologySpreadConstraint
	for i := range pod.Spec.TopologySpreadConstraints {
		if pod.Spec.TopologySpreadConstraints[i].WhenUnsatisfiable == corev1.DoNotSchedule {
			hard = append(hard, &pod.Spec.TopologySpreadConstraints[i])
		}
	}
	return hard
}

func (k key) podAffinity(pod *corev1.Pod) key {
	k = k.text(pod.Namespace).texts(pod.Labels)
	affinity := pod.Spec.Affinity
	if affinity == nil {
		return k
	}
	if affinity.PodAffinity != nil {
		for i := range affinity.PodAffinity.RequiredDuringSchedulingIgnoredDuringExecution {
			k = append(k, '+').message(&affinity.PodAffinity.RequiredDuringSchedulingIgnoredDuringExecution[i])
		}
	}
	if affinity.PodAntiAffinity != nil {
		for i := range affinity.PodAntiAffinity.RequiredDuringSchedulingIgnoredDuringExecution {
			k = append(k, '-').message(&affinity.PodAntiAffinity.RequiredDuringSchedulingIgnoredDuringExecution[i])
		}
	}
	return k
}
