package autoscaler

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/k8sm/k8sm/api/v1alpha1"
)

// maxNote bounds what an event says; the API server refuses more.
const maxNote = 1000

// The functions in this file tell pods what was done for them, or why nothing was.

func (r *Reconciler) toldTriggered(pod *corev1.Pod, p *pool, node string) {
	made := &v1alpha1.MesosNode{ObjectMeta: metav1.ObjectMeta{Name: node}}
	r.Recorder.Eventf(pod, made, corev1.EventTypeNormal, v1alpha1.EventTriggeredScaleUp, "ScaleUp",
		"Pool %s makes node %s for the pod.", p.Name, node)
}

func (r *Reconciler) toldNotTriggered(pod *corev1.Pod, reason string) {
	if len(reason) > maxNote {
		reason = reason[:maxNote] + "…"
	}
	r.Recorder.Eventf(pod, nil, corev1.EventTypeNormal, v1alpha1.EventNotTriggeredScaleUp, "ScaleUp", "No node is made for the pod. %s", reason)
}
