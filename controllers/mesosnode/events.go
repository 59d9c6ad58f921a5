package mesosnode

import (
	"context"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/controllers/drain"
	"github.com/k8sm/k8sm/controllers/nodemodel"
)

// The functions in this file tell of what happened, by event and metric, once it is
// written. Their names begin with told.

// maxNote is how long an event's note may be.
const maxNote = 1000

// Actions of events: what was being done.
const (
	actionLaunch    = "Launch"
	actionRegister  = "Register"
	actionTerminate = "Terminate"
	actionUpgrade   = "Upgrade"
)

// event records an event, and logs it for the operator of the cluster.
func (r *Reconciler) event(ctx context.Context, p *pass, kind, reason, action, note string) {
	if len(note) > maxNote {
		note = strings.ToValidUTF8(note[:maxNote], "") + "…"
	}
	log.FromContext(ctx).Info("A node has news", "reason", reason, "note", note)
	r.Recorder.Eventf(p.node, nil, kind, reason, action, "%s", note)
}

func (r *Reconciler) toldLaunched(p *pass) {
	task := *p.node.Status.Task
	p.do(func(ctx context.Context) {
		observe(phaseLaunched, p.now.Sub(task.IntentTime.Time))
		r.event(ctx, p, corev1.EventTypeNormal, v1alpha1.EventLaunched, actionLaunch, fmt.Sprintf("The executor runs on agent %s.", nodemodel.AgentName(&task)))
	})
}

func (r *Reconciler) toldLaunchFailed(p *pass, task *v1alpha1.MesosTask) {
	attempt := p.node.Status.Attempt
	p.do(func(ctx context.Context) {
		failedAttempts.WithLabelValues(task.State).Inc()
		r.event(ctx, p, corev1.EventTypeWarning, v1alpha1.EventLaunchFailed, actionLaunch, fmt.Sprintf("Attempt %d: %s", attempt, taskEnded(task)))
	})
}

func (r *Reconciler) toldRegistered(p *pass) {
	since := p.node.Status.Task.IntentTime.Time
	p.do(func(ctx context.Context) {
		observe(phaseRegistered, p.now.Sub(since))
		r.event(ctx, p, corev1.EventTypeNormal, v1alpha1.EventRegistered, actionRegister, "The kubelet registered its Node.")
	})
}

func (r *Reconciler) toldReady(p *pass) {
	since := p.node.Status.Task.IntentTime.Time
	p.do(func(ctx context.Context) {
		observe(phaseReady, p.now.Sub(since))
		r.event(ctx, p, corev1.EventTypeNormal, v1alpha1.EventReady, actionRegister, "The Node is ready.")
	})
}

func (r *Reconciler) toldUpgraded(p *pass, note string) {
	p.do(func(ctx context.Context) {
		r.event(ctx, p, corev1.EventTypeNormal, v1alpha1.EventKubeletUpgraded, actionUpgrade, note)
	})
}

func (r *Reconciler) toldRefused(p *pass, note string) {
	p.do(func(ctx context.Context) {
		r.event(ctx, p, corev1.EventTypeWarning, v1alpha1.EventKubeletRefused, actionUpgrade, note)
	})
}

func (r *Reconciler) toldGivenUp(p *pass, reason, note string) {
	p.do(func(ctx context.Context) {
		r.event(ctx, p, corev1.EventTypeWarning, reason, actionTerminate, note)
	})
}

func (r *Reconciler) toldDraining(p *pass) {
	p.do(func(ctx context.Context) {
		r.event(ctx, p, corev1.EventTypeNormal, v1alpha1.EventDraining, actionTerminate, "The Node takes no new pods, and those that it has are evicted.")
	})
}

func (r *Reconciler) toldHeld(p *pass, result drain.Result) {
	p.do(func(ctx context.Context) {
		r.event(ctx, p, corev1.EventTypeWarning, v1alpha1.EventEvictionBlocked, actionTerminate, result.String())
	})
}

func (r *Reconciler) toldDrained(p *pass, took time.Duration) {
	p.do(func(context.Context) { observe(phaseDrained, took) })
}

func (r *Reconciler) toldReleased(p *pass) {
	took := p.now.Sub(p.node.DeletionTimestamp.Time)
	p.do(func(ctx context.Context) {
		observe(phaseReleased, took)
		if p.forced {
			r.event(ctx, p, corev1.EventTypeWarning, v1alpha1.EventForceReleased, actionTerminate, fmt.Sprintf(
				"Released by force: Mesos has not confirmed that task %s on agent %s ended.", p.node.Status.Task.ID, nodemodel.AgentName(p.node.Status.Task)))
			return
		}
		r.event(ctx, p, corev1.EventTypeNormal, v1alpha1.EventReleased, actionTerminate, "The node is gone, and its resources are back with Mesos.")
	})
}
