package differential

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/cache"
)

// timeout is the maximum time of the scheduler for a decision, which may take seconds on a busy
// machine.
const timeout = 30 * time.Second

// podWatch follows the pods, to see the decisions of the scheduler.
type podWatch struct {
	mutex   sync.Mutex
	last    map[types.UID]*corev1.Pod
	waiting map[types.UID]chan struct{} // closed at the next change
}

func newPodWatch() *podWatch {
	return &podWatch{last: map[types.UID]*corev1.Pod{}, waiting: map[types.UID]chan struct{}{}}
}

func (v *podWatch) handler() cache.ResourceEventHandler {
	return cache.ResourceEventHandlerFuncs{
		AddFunc:    func(object any) { v.update(object.(*corev1.Pod)) },
		UpdateFunc: func(_, object any) { v.update(object.(*corev1.Pod)) },
		DeleteFunc: func(object any) {
			if pod, ok := object.(*corev1.Pod); ok {
				v.forget(pod.UID)
			}
		},
	}
}

func (v *podWatch) update(pod *corev1.Pod) {
	v.mutex.Lock()
	defer v.mutex.Unlock()
	v.last[pod.UID] = pod
	if news := v.waiting[pod.UID]; news != nil {
		close(news)
		delete(v.waiting, pod.UID)
	}
}

func (v *podWatch) forget(uid types.UID) {
	v.mutex.Lock()
	defer v.mutex.Unlock()
	delete(v.last, uid)
	delete(v.waiting, uid)
}

// await returns the pod as soon as it is as wanted. After the timeout it returns the last state and
// an error.
func (v *podWatch) await(ctx context.Context, uid types.UID, wanted func(*corev1.Pod) bool) (*corev1.Pod, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	for {
		pod, news := v.current(uid)
		if pod != nil && wanted(pod) {
			return pod, nil
		}
		select {
		case <-news:
		case <-ctx.Done():
			return pod, fmt.Errorf("awaiting a verdict: %w", ctx.Err())
		}
	}
}

func (v *podWatch) current(uid types.UID) (*corev1.Pod, <-chan struct{}) {
	v.mutex.Lock()
	defer v.mutex.Unlock()
	if v.waiting[uid] == nil {
		v.waiting[uid] = make(chan struct{})
	}
	return v.last[uid], v.waiting[uid]
}

func bound(pod *corev1.Pod) bool { return pod.Spec.NodeName != "" }

func unschedulable(pod *corev1.Pod) bool {
	return !bound(pod) && scheduledCondition(pod).Reason == corev1.PodReasonUnschedulable
}

func gated(pod *corev1.Pod) bool {
	return scheduledCondition(pod).Reason == corev1.PodReasonSchedulingGated
}

// scheduledCondition returns the condition PodScheduled, which explains why a pod is not bound.
func scheduledCondition(pod *corev1.Pod) corev1.PodCondition {
	i := slices.IndexFunc(pod.Status.Conditions, func(c corev1.PodCondition) bool { return c.Type == corev1.PodScheduled })
	if i < 0 {
		return corev1.PodCondition{}
	}
	return pod.Status.Conditions[i]
}
