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

// patience is how long the scheduler may take to say something, or to do what we expect of
// it. On a busy machine it has seconds to do.
const patience = 30 * time.Second

// verdicts are what the scheduler said of pods.
type verdicts struct {
	mutex sync.Mutex
	last  map[types.UID]*corev1.Pod
	asked map[types.UID]chan struct{} // closed when there is something new
}

func newVerdicts() *verdicts {
	return &verdicts{last: map[types.UID]*corev1.Pod{}, asked: map[types.UID]chan struct{}{}}
}

func (v *verdicts) handler() cache.ResourceEventHandler {
	return cache.ResourceEventHandlerFuncs{
		AddFunc:    func(object any) { v.note(object.(*corev1.Pod)) },
		UpdateFunc: func(_, object any) { v.note(object.(*corev1.Pod)) },
		DeleteFunc: func(object any) {
			if pod, ok := object.(*corev1.Pod); ok {
				v.forget(pod.UID)
			}
		},
	}
}

func (v *verdicts) note(pod *corev1.Pod) {
	v.mutex.Lock()
	defer v.mutex.Unlock()
	v.last[pod.UID] = pod
	if news := v.asked[pod.UID]; news != nil {
		close(news)
		delete(v.asked, pod.UID)
	}
}

func (v *verdicts) forget(uid types.UID) {
	v.mutex.Lock()
	defer v.mutex.Unlock()
	delete(v.last, uid)
	delete(v.asked, uid)
}

// await returns the pod as soon as it is what is wanted, or its last state, and an error,
// when patience ends.
func (v *verdicts) await(ctx context.Context, uid types.UID, wanted func(*corev1.Pod) bool) (*corev1.Pod, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		pod, news := v.look(uid)
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

func (v *verdicts) look(uid types.UID) (*corev1.Pod, <-chan struct{}) {
	v.mutex.Lock()
	defer v.mutex.Unlock()
	if v.asked[uid] == nil {
		v.asked[uid] = make(chan struct{})
	}
	return v.last[uid], v.asked[uid]
}

func bound(pod *corev1.Pod) bool { return pod.Spec.NodeName != "" }

func unschedulable(pod *corev1.Pod) bool {
	return !bound(pod) && said(pod).Reason == corev1.PodReasonUnschedulable
}

func gated(pod *corev1.Pod) bool { return said(pod).Reason == corev1.PodReasonSchedulingGated }

// said is the condition in which the scheduler says why a pod is not bound.
func said(pod *corev1.Pod) corev1.PodCondition {
	i := slices.IndexFunc(pod.Status.Conditions, func(c corev1.PodCondition) bool { return c.Type == corev1.PodScheduled })
	if i < 0 {
		return corev1.PodCondition{}
	}
	return pod.Status.Conditions[i]
}
