package simulation

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/mesos/nodeapi"
)

// injectKubeletUpgrade changes the kubelet of a pool, to be upgraded in place, as a user would.
func (w *world) injectKubeletUpgrade(r roll) {
	wanted := fmt.Sprintf("%064d", r.then().below(3))
	w.trace.add("user", "wants the kubelet %s on %s", wanted[60:], poolName(r.below(w.plan.pools)))
	w.userEdits(r.below(w.plan.pools), func(p *v1alpha1.MesosNodePool) {
		p.Spec.Rollout.Kubelet, p.Spec.Rollout.MaxUnavailable = v1alpha1.KubeletInPlace, new(intstr.FromInt32(int32(1+r.then().then().below(3))))
		setArtifact(p, nodeapi.ArtifactKubelet, wanted)
	})
}

// handleMessage handles an upgrade request. It is ignored before the node runs, during another
// upgrade, and if that kubelet runs already.
func (n *fakeExecutor) handleMessage(ctx context.Context, message []byte) {
	var in nodeapi.UpgradeRequest
	if err := json.Unmarshal(message, &in); err != nil {
		n.world.fail("decoding the message to %s: %v", n.taskID.Value, err)
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.kubelet == "" || n.kubelet == in.Kubelet.SHA256 || n.upgrading {
		return
	}
	n.upgrading = true
	go n.replaceKubelet(ctx, in.Kubelet.SHA256)
}

// replaceKubelet upgrades the kubelet. Sometimes the artifact cannot be fetched.
func (n *fakeExecutor) replaceKubelet(ctx context.Context, wanted string) {
	r := n.world.rng.of("upgrade " + n.taskID.Value)
	if sleep(ctx, r.between(time.Second, 40*time.Second)) != nil || !n.world.checks.taskRuns(n.launch.ProviderID) {
		return
	}
	var upgrade nodeapi.Upgrade
	n.mu.Lock()
	n.upgrading = false
	if r.then().happens(0.2) && !n.world.isHealed() {
		upgrade = nodeapi.Upgrade{SHA256: wanted, Message: "it cannot be fetched"}
	} else {
		n.kubelet = wanted
	}
	n.mu.Unlock()
	_ = n.sendRunning(upgrade) // the container may have been destroyed
}

// unmetKubeletGoals lists the pools and nodes whose kubelets are not yet upgraded, by their
// conditions and by what runs.
func (w *world) unmetKubeletGoals(records []client.Object, add func(string, ...any)) {
	wanted := map[string]string{}
	for _, o := range w.server.list(kindPool) {
		p := o.(*v1alpha1.MesosNodePool)
		if p.Spec.Rollout.Kubelet != v1alpha1.KubeletInPlace {
			continue
		}
		wanted[p.Name] = artifactOf(p.Spec.Template, nodeapi.ArtifactKubelet)
		if !meta.IsStatusConditionTrue(p.Status.Conditions, v1alpha1.ConditionKubeletCurrent) {
			add("pool %s has not upgraded all its kubelets", p.Name)
		}
	}
	for _, o := range records {
		n := o.(*v1alpha1.MesosNode)
		want, upgrades := wanted[n.Labels[v1alpha1.LabelPool]]
		if upgrades && n.Status.Task != nil && w.checks.kubeletOf(n.Status.Task.ID) != want {
			add("MesosNode %s does not run its pool's kubelet", n.Name)
		}
	}
}

// kubeletOf returns the digest of the kubelet that a task runs, "" for none.
func (c *checks) kubeletOf(taskID string) string {
	c.mu.Lock()
	n := c.tasks[taskID]
	c.mu.Unlock()
	if n == nil {
		return ""
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.kubelet
}
