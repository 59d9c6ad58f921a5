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
	// tellEvery is how often an executor is told of a kubelet that it has not answered for:
	// Mesos promises nothing of messages.
	tellEvery = 15 * time.Second
	// tellAgainEvery is how often one is told that has tried and could not, for reasons that
	// may pass.
	tellAgainEvery = time.Minute
)

// upgrade answers for the condition KubeletCurrent: it tells the executor which kubelet
// the pool wants in the place of the one that runs, until that runs or is refused.
func (r *Reconciler) upgrade(_ context.Context, p *pass) error {
	wanted := p.node.Status.KubeletUpgrade
	if wanted == nil {
		meta.RemoveStatusCondition(&p.node.Status.Conditions, v1alpha1.ConditionKubeletCurrent)
		return nil
	}
	was := p.condition(v1alpha1.ConditionKubeletCurrent).Reason
	verdict := judgeKubelet(p.node.Status.Task, wanted)
	p.set(v1alpha1.ConditionKubeletCurrent, verdict.status, verdict.reason, verdict.message)
	switch {
	case verdict.reason != was && verdict.reason == v1alpha1.ReasonKubeletCurrent:
		r.toldUpgraded(p, verdict.message)
	case verdict.reason != was && verdict.reason == v1alpha1.ReasonKubeletRefused:
		r.toldRefused(p, verdict.message)
	}
	if verdict.tell == 0 || p.session == nil {
		return nil
	}
	message, err := (&nodeapi.UpgradeRequest{Kubelet: nodeapi.Artifact{
		Name: wanted.Name, Type: string(wanted.Type), URI: wanted.URI, SHA256: wanted.SHA256,
	}}).Encode()
	if err != nil {
		p.set(v1alpha1.ConditionKubeletCurrent, metav1.ConditionFalse, v1alpha1.ReasonKubeletRefused, err.Error())
		return nil
	}
	taskID := p.node.Status.Task.ID
	p.do(func(context.Context) { p.session.SendMessage(taskID, message) })
	p.again(verdict.tell)
	return nil
}

// toBeTold tells whether an executor is to hear of another kubelet.
func toBeTold(node *v1alpha1.MesosNode) bool {
	wanted := node.Status.KubeletUpgrade
	return wanted != nil && judgeKubelet(node.Status.Task, wanted).tell > 0
}

// kubeletVerdict is what there is to say about an upgrade.
type kubeletVerdict struct {
	status          metav1.ConditionStatus
	reason, message string
	// tell is how often the executor is to be told of it, 0 for not at all.
	tell time.Duration
}

// judgeKubelet compares what is wanted with what the executor has told.
func judgeKubelet(task *v1alpha1.MesosTask, wanted *v1alpha1.Artifact) kubeletVerdict {
	no := func(reason, message string, tell time.Duration) kubeletVerdict {
		return kubeletVerdict{metav1.ConditionFalse, reason, message, tell}
	}
	if task == nil || task.Kubelet == nil || scheduler.TaskState(task.State) != scheduler.TaskRunning {
		return no(v1alpha1.ReasonKubeletUpgrading, "Waiting for the node to run.", 0)
	}
	told := task.Kubelet
	if told.SHA256 == wanted.SHA256 {
		return kubeletVerdict{metav1.ConditionTrue, v1alpha1.ReasonKubeletCurrent, fmt.Sprintf("The kubelet %s runs.", short(wanted.SHA256)), 0}
	}
	switch u := told.Upgrade; {
	case u == nil || u.SHA256 != wanted.SHA256:
		return no(v1alpha1.ReasonKubeletUpgrading, fmt.Sprintf("The executor is told to run the kubelet %s.", short(wanted.SHA256)), tellEvery)
	case u.Refused:
		return no(v1alpha1.ReasonKubeletRefused, u.Message, 0)
	default:
		return no(v1alpha1.ReasonKubeletUpgrading, u.Message, tellAgainEvery)
	}
}

// short is as much of a digest as a person compares.
func short(sha256 string) string { return "sha256:" + sha256[:min(12, len(sha256))] }
