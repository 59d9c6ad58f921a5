package mesosnode

import (
	"context"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/mesos/nodeapi"
	"github.com/k8sm/k8sm/mesos/scheduler"
)

const (
	// messageInterval is the time after which an executor that has not answered is sent the
	// upgrade request again: Mesos does not promise that messages arrive.
	messageInterval = 15 * time.Second
	// messageRetryInterval is the time after which an executor is sent the request again that
	// has tried and failed for a reason that may pass.
	messageRetryInterval = time.Minute
)

// upgradeKubelet is responsible for the condition KubeletCurrent. It sends the executor the
// kubelet that the pool wants in the place of the one that runs, until that runs or is
// refused.
func (r *Reconciler) upgradeKubelet(ctx context.Context, rc *reconcileContext) error {
	wanted := rc.node.Status.KubeletUpgrade
	if wanted == nil {
		meta.RemoveStatusCondition(&rc.node.Status.Conditions, v1alpha1.ConditionKubeletCurrent)
		return nil
	}
	before := rc.condition(v1alpha1.ConditionKubeletCurrent).Reason
	state := upgradeStateOf(rc.node.Status.Task, wanted)
	rc.setCondition(v1alpha1.ConditionKubeletCurrent, state.status, state.reason, state.message)
	switch {
	case state.reason != before && state.reason == v1alpha1.ReasonKubeletCurrent:
		r.recordKubeletUpgradedEvent(rc, state.message)
	case state.reason != before && state.reason == v1alpha1.ReasonKubeletRefused:
		r.recordKubeletRefusedEvent(rc, state.message)
	}
	if state.messageEvery == 0 || rc.session == nil {
		return nil
	}
	credentials, err := r.Mirror.Credentials(ctx)
	if err != nil {
		rc.setCondition(v1alpha1.ConditionKubeletCurrent, metav1.ConditionFalse, v1alpha1.ReasonKubeletUpgrading, fmt.Sprintf("The executor cannot be asked: %v.", err))
		rc.requeueWithin(messageRetryInterval)
		return nil
	}
	message, err := (&nodeapi.UpgradeRequest{MirrorCredentials: credentials, Kubelet: nodeapi.Artifact{
		Name: wanted.Name, Type: string(wanted.Type), URI: wanted.URI, SHA256: wanted.SHA256,
	}}).Encode()
	if err != nil {
		rc.setCondition(v1alpha1.ConditionKubeletCurrent, metav1.ConditionFalse, v1alpha1.ReasonKubeletRefused, err.Error())
		return nil
	}
	taskID := rc.node.Status.Task.ID
	rc.addEffectWithoutError(func(context.Context) { rc.session.SendMessage(taskID, message) })
	rc.requeueWithin(state.messageEvery)
	return nil
}

// needsUpgradeMessage reports whether the node's executor must be sent an upgrade request.
func needsUpgradeMessage(node *v1alpha1.MesosNode) bool {
	wanted := node.Status.KubeletUpgrade
	return wanted != nil && upgradeStateOf(node.Status.Task, wanted).messageEvery > 0
}

// upgradeState is the condition KubeletCurrent of a node, and what follows from it.
type upgradeState struct {
	status          metav1.ConditionStatus
	reason, message string
	// messageEvery is the time between two upgrade requests to the executor, 0 for none.
	messageEvery time.Duration
}

// upgradeStateOf compares the kubelet that is wanted with what the executor has reported.
func upgradeStateOf(task *v1alpha1.MesosTask, wanted *v1alpha1.Artifact) upgradeState {
	no := func(reason, message string, messageEvery time.Duration) upgradeState {
		return upgradeState{metav1.ConditionFalse, reason, message, messageEvery}
	}
	if task == nil || task.Kubelet == nil || scheduler.TaskState(task.State) != scheduler.TaskRunning {
		return no(v1alpha1.ReasonKubeletUpgrading, "Waiting for the node to run.", 0)
	}
	reported := task.Kubelet
	if reported.SHA256 == wanted.SHA256 {
		return upgradeState{metav1.ConditionTrue, v1alpha1.ReasonKubeletCurrent, fmt.Sprintf("The kubelet %s runs.", shortDigest(wanted.SHA256)), 0}
	}
	switch u := reported.Upgrade; {
	case u == nil || u.SHA256 != wanted.SHA256:
		return no(v1alpha1.ReasonKubeletUpgrading, fmt.Sprintf("The executor was asked to run the kubelet %s.", shortDigest(wanted.SHA256)), messageInterval)
	case u.Refused:
		return no(v1alpha1.ReasonKubeletRefused, u.Message, 0)
	default:
		return no(v1alpha1.ReasonKubeletUpgrading, u.Message, messageRetryInterval)
	}
}

// shortDigest is the part of a digest that a person compares.
func shortDigest(sha256 string) string { return "sha256:" + sha256[:min(12, len(sha256))] }
