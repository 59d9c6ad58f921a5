package admission

import (
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	nodev1 "k8s.io/api/node/v1"
)

// Defaults are what admission adds to pods. The zero value adds what needs no other object.
type Defaults struct {
	// requests are those that LimitRanges give to containers that state none, by namespace.
	requests map[string]corev1.ResourceList
	classes  map[string]*nodev1.RuntimeClass
}

// NewDefaults returns the defaults of LimitRanges and RuntimeClasses. Where several LimitRanges of
// a namespace have a default for a resource, the largest counts: which of them the API server asks
// first is not known.
func NewDefaults(ranges []*corev1.LimitRange, classes []*nodev1.RuntimeClass) Defaults {
	out := Defaults{requests: map[string]corev1.ResourceList{}, classes: map[string]*nodev1.RuntimeClass{}}
	for _, r := range ranges {
		for _, item := range r.Spec.Limits {
			if item.Type != corev1.LimitTypeContainer {
				continue
			}
			if out.requests[r.Namespace] == nil {
				out.requests[r.Namespace] = corev1.ResourceList{}
			}
			raise(out.requests[r.Namespace], item.DefaultRequest)
		}
	}
	for _, c := range classes {
		out.classes[c.Name] = c
	}
	return out
}

// Admit returns the spec as a pod of the namespace gets it. The spec itself is not changed.
func (d Defaults) Admit(namespace string, spec *corev1.PodSpec) *corev1.PodSpec {
	out := *spec
	out.InitContainers, out.Containers = d.admitContainers(namespace, spec.InitContainers), d.admitContainers(namespace, spec.Containers)
	if spec.RuntimeClassName == nil {
		return &out
	}
	class := d.classes[*spec.RuntimeClassName]
	if class == nil {
		return &out // the API server refuses such a pod
	}
	if class.Overhead != nil {
		out.Overhead = class.Overhead.PodFixed
	}
	if class.Scheduling != nil {
		out.NodeSelector = maps.Clone(spec.NodeSelector)
		if out.NodeSelector == nil {
			out.NodeSelector = map[string]string{}
		}
		maps.Copy(out.NodeSelector, class.Scheduling.NodeSelector)
		out.Tolerations = slices.Concat(spec.Tolerations, class.Scheduling.Tolerations)
	}
	return &out
}

func (d Defaults) admitContainers(namespace string, containers []corev1.Container) []corev1.Container {
	out := make([]corev1.Container, 0, len(containers))
	for _, c := range containers {
		requests := corev1.ResourceList{}
		for _, defaults := range []corev1.ResourceList{c.Resources.Requests, c.Resources.Limits, d.requests[namespace]} {
			for name, quantity := range defaults {
				if _, stated := requests[name]; !stated {
					requests[name] = quantity
				}
			}
		}
		c.Resources.Requests = requests
		out = append(out, c)
	}
	return out
}

// Larger returns the spec with the requests and the overhead of another pod of the same
// template where these are larger. Containers are compared by name; a container that only the
// other pod has was added by admission, and is added. Neither of the arguments is changed.
func Larger(spec, other *corev1.PodSpec) *corev1.PodSpec {
	out := *spec
	out.InitContainers, out.Containers = largerContainers(spec.InitContainers, other.InitContainers), largerContainers(spec.Containers, other.Containers)
	if len(other.Overhead) > 0 {
		out.Overhead = larger(spec.Overhead, other.Overhead)
	}
	if other.Resources != nil {
		resources := corev1.ResourceRequirements{}
		if spec.Resources != nil {
			resources = *spec.Resources
		}
		resources.Requests = larger(resources.Requests, other.Resources.Requests)
		out.Resources = &resources
	}
	return &out
}

func largerContainers(containers, others []corev1.Container) []corev1.Container {
	out := make([]corev1.Container, 0, len(containers))
	known := map[string]bool{}
	byName := map[string]*corev1.Container{}
	for i := range others {
		byName[others[i].Name] = &others[i]
	}
	for _, c := range containers {
		known[c.Name] = true
		if other := byName[c.Name]; other != nil {
			c.Resources.Requests = larger(c.Resources.Requests, other.Resources.Requests)
		}
		out = append(out, c)
	}
	for _, other := range others {
		if !known[other.Name] {
			out = append(out, other)
		}
	}
	return out
}

// larger returns, for each resource, the larger of two quantities.
func larger(a, b corev1.ResourceList) corev1.ResourceList {
	out := make(corev1.ResourceList, len(a))
	raise(out, a)
	raise(out, b)
	return out
}

func raise(to, by corev1.ResourceList) {
	for name, quantity := range by {
		if before, stated := to[name]; !stated || before.Cmp(quantity) < 0 {
			to[name] = quantity
		}
	}
}
