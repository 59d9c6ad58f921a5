package admission

import (
	"slices"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/k8sm/k8sm/controllers/podstate"
)

// templateLifetime is the time for which a template counts as known.
const templateLifetime = 5 * time.Minute

// Templates has the pod templates of owners that were read, by the owner's UID. They show what a
// pod will request when it is made again: a pod that was resized in place has another spec than
// its template.
type Templates map[types.UID]Template

// Template is the pod template of an owner, as it was read.
type Template struct {
	ReadAt time.Time
	// Spec is nil if the owner has no template, is gone, or may not be read.
	Spec *corev1.PodSpec
}

// Forget drops the templates that were read too long ago.
func (t Templates) Forget(now time.Time) {
	for uid, template := range t {
		if now.Sub(template.ReadAt) > templateLifetime {
			delete(t, uid)
		}
	}
}

// Successor returns the pod that the controller of a pod makes in its place: the larger of its
// template, as admission completes it, and the pod itself, to which admission may have added
// more. It returns the pod itself if that is no larger, or if its template is not known.
func (t Templates) Successor(pod *corev1.Pod, defaults Defaults) *corev1.Pod {
	owner := metav1.GetControllerOf(pod)
	if owner == nil || t[owner.UID].Spec == nil {
		return pod
	}
	spec := Larger(&pod.Spec, onlyContainersOf(defaults.Admit(pod.Namespace, t[owner.UID].Spec), &pod.Spec))
	if equality.Semantic.DeepEqual(&pod.Spec, spec) {
		return pod
	}
	out := *pod
	out.Spec = *spec
	return &out
}

// onlyContainersOf returns the template without containers that the pod does not have.
func onlyContainersOf(template, pod *corev1.PodSpec) *corev1.PodSpec {
	out := *template
	missing := func(of []corev1.Container) func(corev1.Container) bool {
		return func(c corev1.Container) bool {
			return !slices.ContainsFunc(of, func(other corev1.Container) bool { return other.Name == c.Name })
		}
	}
	out.Containers = slices.DeleteFunc(slices.Clone(template.Containers), missing(pod.Containers))
	out.InitContainers = slices.DeleteFunc(slices.Clone(template.InitContainers), missing(pod.InitContainers))
	return &out
}

// DaemonSets returns the DaemonSets with the requests that their pods will have: the larger of
// the template, as admission completes it, and the youngest of their pods. None of the arguments
// is changed.
func DaemonSets(sets []appsv1.DaemonSet, pods []*corev1.Pod, defaults Defaults) []appsv1.DaemonSet {
	if len(sets) == 0 {
		return nil
	}
	youngest := map[types.UID]*corev1.Pod{}
	for _, pod := range pods {
		if len(pod.OwnerReferences) == 0 || !podstate.IsDaemon(pod) {
			continue
		}
		owner := metav1.GetControllerOf(pod).UID
		if before := youngest[owner]; before == nil || before.CreationTimestamp.Before(&pod.CreationTimestamp) {
			youngest[owner] = pod
		}
	}
	out := slices.Clone(sets)
	for i := range out {
		spec := defaults.Admit(out[i].Namespace, &out[i].Spec.Template.Spec)
		if pod := youngest[out[i].UID]; pod != nil {
			spec = Larger(spec, &pod.Spec)
		}
		out[i].Spec.Template.Spec = *spec
	}
	return out
}
