package autoscaler

import (
	"context"
	"fmt"
	"slices"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/k8sm/k8sm/controllers/autoscaler/admission"
	"github.com/k8sm/k8sm/controllers/podstate"
)

// templateLifetime is the time for which the template of an owner is not read again.
const templateLifetime = 5 * time.Minute

// podTemplates has the pod templates of owners that were read, by the owner's UID. They show
// what a pod will request when it is made again: a pod that was resized in place has another
// spec than its template.
type podTemplates map[types.UID]readTemplate

type readTemplate struct {
	at time.Time
	// namespace and spec are those of the template; spec is nil if the owner has none, or may
	// not be read.
	namespace string
	spec      *corev1.PodSpec
}

// successor returns the pod that the controller of a pod makes in its place: the larger of its
// template, as admission completes it, and the pod itself, to which admission may have added
// more. The pod itself is returned if that is no larger, or if its template was not read.
func (t podTemplates) successor(defaults admission.Defaults) func(*corev1.Pod) *corev1.Pod {
	return func(pod *corev1.Pod) *corev1.Pod {
		owner := metav1.GetControllerOf(pod)
		if owner == nil || t[owner.UID].spec == nil {
			return pod
		}
		spec := admission.Larger(&pod.Spec, onlyContainersOf(defaults.Admit(pod.Namespace, t[owner.UID].spec), &pod.Spec))
		if equality.Semantic.DeepEqual(&pod.Spec, spec) {
			return pod
		}
		out := *pod
		out.Spec = *spec
		return &out
	}
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

// readTemplates reads the templates of the owners of these pods that were not read lately, and
// reports whether it read any. Only the owners of pods that are about to be moved are read:
// there are too many of all the others.
func (r *Reconciler) readTemplates(ctx context.Context, pods []*corev1.Pod, now time.Time) (read bool, err error) {
	for uid, template := range r.state.templates {
		if now.Sub(template.at) > templateLifetime {
			delete(r.state.templates, uid)
		}
	}
	for _, pod := range pods {
		owner := metav1.GetControllerOf(pod)
		if owner == nil {
			continue
		}
		if _, known := r.state.templates[owner.UID]; known {
			continue
		}
		spec, err := r.readTemplate(ctx, pod.Namespace, owner)
		if err != nil {
			return read, err
		}
		r.state.templates[owner.UID] = readTemplate{at: now, namespace: pod.Namespace, spec: spec}
		read = true
	}
	return read, nil
}

// readTemplate returns the pod template of an owner; nil if the owner has none, is gone, or may
// not be read.
func (r *Reconciler) readTemplate(ctx context.Context, namespace string, owner *metav1.OwnerReference) (*corev1.PodSpec, error) {
	var object client.Object
	var spec func() *corev1.PodSpec
	switch owner.APIVersion + " " + owner.Kind {
	case "apps/v1 ReplicaSet":
		set := &appsv1.ReplicaSet{}
		object, spec = set, func() *corev1.PodSpec { return &set.Spec.Template.Spec }
	case "apps/v1 StatefulSet":
		set := &appsv1.StatefulSet{}
		object, spec = set, func() *corev1.PodSpec { return &set.Spec.Template.Spec }
	case "batch/v1 Job":
		job := &batchv1.Job{}
		object, spec = job, func() *corev1.PodSpec { return &job.Spec.Template.Spec }
	case "v1 ReplicationController":
		rc := &corev1.ReplicationController{}
		object, spec = rc, func() *corev1.PodSpec {
			if rc.Spec.Template == nil {
				return nil
			}
			return &rc.Spec.Template.Spec
		}
	default:
		return nil, nil
	}
	err := r.Live.Get(ctx, client.ObjectKey{Namespace: namespace, Name: owner.Name}, object)
	switch {
	case apierrors.IsNotFound(err) || apierrors.IsForbidden(err) || err == nil && object.GetUID() != owner.UID:
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("reading the pod template of %s %s/%s: %w", owner.Kind, namespace, owner.Name, err)
	}
	return spec(), nil
}

// admittedDaemonSets returns the DaemonSets with the requests that their pods will have: the
// larger of the template, as admission completes it, and the youngest pod. None of what was
// observed is changed.
func admittedDaemonSets(o *observation) []appsv1.DaemonSet {
	if len(o.daemonSets) == 0 {
		return nil
	}
	youngest := map[types.UID]*corev1.Pod{}
	for _, pod := range o.pods {
		if len(pod.OwnerReferences) == 0 || !podstate.IsDaemon(pod) {
			continue
		}
		owner := metav1.GetControllerOf(pod).UID
		if before := youngest[owner]; before == nil || before.CreationTimestamp.Before(&pod.CreationTimestamp) {
			youngest[owner] = pod
		}
	}
	defaults := admission.NewDefaults(o.limits)
	out := slices.Clone(o.daemonSets)
	for i := range out {
		set := &out[i]
		spec := defaults.Admit(set.Namespace, &set.Spec.Template.Spec)
		if pod := youngest[set.UID]; pod != nil {
			spec = admission.Larger(spec, &pod.Spec)
		}
		set.Spec.Template.Spec = *spec
	}
	return out
}
