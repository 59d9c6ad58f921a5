package autoscaler

import (
	"context"
	"fmt"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/k8sm/k8sm/controllers/autoscaler/admission"
)

// readTemplates reads the templates of the owners of these pods that were not read lately, and
// reports whether it read any. Only the owners of pods that are about to be moved are read:
// there are too many of all the others.
func (r *Reconciler) readTemplates(ctx context.Context, pods []*corev1.Pod, now time.Time) (read bool, err error) {
	r.state.templates.Forget(now)
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
		r.state.templates[owner.UID] = admission.Template{ReadAt: now, Spec: spec}
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
