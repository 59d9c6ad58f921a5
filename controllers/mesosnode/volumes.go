package mesosnode

import (
	"context"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/controllers/messages"
	"github.com/k8sm/k8sm/controllers/nodemodel"
)

const (
	// detachTimeout is the maximum time that the removal of a node waits for its volumes:
	// once while the kubelet lives and unmounts them, and once more after the end of the
	// task. The control plane alone would wait six minutes before it detaches by force, and
	// the next pod with it.
	detachTimeout = 2 * time.Minute
	// detachPoll is the time after which the volumes are looked at again, should the event
	// of a VolumeAttachment be missed.
	detachPoll = 5 * time.Second
	// namedVolumes is the maximum number of volumes that a message names.
	namedVolumes = 3
)

// awaitDetach waits until the volumes of the pods that were evicted are detached: the kubelet
// must live to unmount them. It does not wait for a kubelet that is silent, nor beyond the
// time for the drain.
func (r *Reconciler) awaitDetach(ctx context.Context, rc *reconcileContext) error {
	drained := rc.condition(v1alpha1.ConditionDrained)
	if !rc.taskMayRun() || rc.isBeingKilled() || rc.forcedRelease || !rc.hasCurrentNode() || isKubeletSilent(rc.kubeNode) ||
		drained.Reason != v1alpha1.ReasonDrained {
		return nil
	}
	until := drained.LastTransitionTime.Add(detachTimeout)
	if end := r.drainLimits(rc).End; !end.IsZero() && end.Before(until) {
		until = end
	}
	if !rc.now.Before(until) {
		return nil
	}
	volumes, err := r.Volumes.Detaching(ctx, rc.node.Name)
	if err != nil || len(volumes) == 0 {
		return err
	}
	rc.awaitVolumes("The node is drained", volumes, until)
	return errStop
}

// releaseVolumes has the control plane detach the volumes that are left, once Mesos has
// confirmed the end of the task: the taint out-of-service asserts that no process uses them
// any more, which is true then. The control plane deletes the pods that are left, too.
func (r *Reconciler) releaseVolumes(ctx context.Context, rc *reconcileContext) error {
	object := rc.kubeNode
	if object == nil || !object.DeletionTimestamp.IsZero() || rc.taskMayRun() || rc.node.Status.Task == nil || nodemodel.AttemptOf(rc.node, object.Spec.ProviderID) == 0 {
		return nil
	}
	volumes, err := r.Volumes.Attached(ctx, rc.node.Name)
	if err != nil || len(volumes) == 0 {
		return err
	}
	isOutOfService := func(t corev1.Taint) bool { return t.Key == corev1.TaintNodeOutOfService }
	if !slices.ContainsFunc(object.Spec.Taints, isOutOfService) {
		base := object.DeepCopy()
		object.Spec.Taints = append(object.Spec.Taints, corev1.Taint{Key: corev1.TaintNodeOutOfService, Value: "nodeshutdown", Effect: corev1.TaintEffectNoExecute})
		if err := r.Client.Patch(ctx, object, client.MergeFromWithOptions(base, client.MergeFromWithOptimisticLock{})); client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("tainting Node %s as out of service: %w", object.Name, err)
		}
	}
	ended := rc.node.Status.Task.UpdateTime
	if ended == nil || !rc.now.Before(ended.Add(detachTimeout)) {
		return nil
	}
	rc.awaitVolumes("The task has ended", volumes, ended.Add(detachTimeout))
	return errStop
}

// awaitVolumes shows which volumes the removal waits for, and until when.
func (rc *reconcileContext) awaitVolumes(because string, volumes []string, until time.Time) {
	rc.setNotReady(v1alpha1.ReasonDetachingVolumes, fmt.Sprintf("%s; waiting until %s at the latest for %s to be detached: %s.",
		because, until.UTC().Format(time.TimeOnly), messages.Count(len(volumes), "volume", "volumes"), messages.List(volumes, ", ", namedVolumes)))
	rc.requeueWithin(min(detachPoll, until.Sub(rc.now)))
}
