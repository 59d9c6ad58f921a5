package mesosnode

import (
	"context"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/controllers/nodemodel"
)

const (
	// assumedLifetime is that of certificates of which nothing is on record. It is the default
	// of the flag --cluster-signing-duration of kube-controller-manager.
	assumedLifetime = 365 * 24 * time.Hour
	// shortLifetime is the longest lifetime that counts as short.
	shortLifetime = 31 * 24 * time.Hour
)

// launchUnlessRetired asks for a task unless an earlier node of the same name may be
// impersonated. The MesosNode of a pool is then replaced by one with another name. That of a
// person waits.
func (r *Reconciler) launchUnlessRetired(ctx context.Context, rc *reconcileContext) error {
	until, retired, err := r.Names.IsRemoved(ctx, rc.node.Name, rc.now)
	if err != nil {
		return err
	}
	if !retired {
		return r.wantTask(ctx, rc)
	}
	message := fmt.Sprintf("An earlier node of this name was removed, and its certificate may be valid until %s: whoever holds that could act as this node.", until.UTC().Format(time.RFC3339))
	if metav1.GetControllerOf(rc.node) != nil {
		r.deleteMesosNode(rc, v1alpha1.ReasonNameRetired, v1alpha1.ConditionLaunched, message+" The pool makes a node with another name.")
		return nil
	}
	rc.setCondition(v1alpha1.ConditionLaunched, metav1.ConditionFalse, v1alpha1.ReasonNameRetired, message+" Use another name, or wait.")
	rc.requeueWithin(until.Sub(rc.now))
	return nil
}

// recordName is responsible for the condition CertificateShortLived. It records the name of a
// node that may have a certificate: renewals under this name are given a short lifetime.
func (r *Reconciler) recordName(ctx context.Context, rc *reconcileContext) error {
	task := rc.node.Status.Task
	if !nodemodel.HasIdentity(task) || !rc.taskMayRun() {
		return nil
	}
	certificate := task.Certificate
	if certificate == nil {
		meta.RemoveStatusCondition(&rc.node.Status.Conditions, v1alpha1.ConditionCertificateShortLived)
		return r.Names.SetLive(ctx, rc.node.Name, task.IntentTime.Add(assumedLifetime), task.RegistrationTaint)
	}
	status, reason, advice := metav1.ConditionTrue, v1alpha1.ReasonShortLived, ""
	lifetime := lifetimeOf(certificate)
	if lifetime > shortLifetime {
		status, reason = metav1.ConditionFalse, v1alpha1.ReasonLongLived
		advice = " Install the policies of config/policies/certificate-lifetime if the API server has MutatingAdmissionPolicies (Kubernetes 1.36 or newer), or set the flag --cluster-signing-duration of kube-controller-manager."
	}
	rc.setCondition(v1alpha1.ConditionCertificateShortLived, status, reason,
		fmt.Sprintf("The client certificate of the kubelet is valid for %s.%s", inDays(lifetime), advice))
	return r.Names.SetLive(ctx, rc.node.Name, certificate.ExpirationTime.Time, task.RegistrationTaint)
}

// retireName records that the name of a node that may have had a certificate must not come back.
func (r *Reconciler) retireName(ctx context.Context, rc *reconcileContext) error {
	if !nodemodel.HasIdentity(rc.node.Status.Task) && rc.node.Status.ProviderID == "" {
		return nil
	}
	return r.Names.SetRemoved(ctx, rc.node.Name, lastExpiry(rc.node.Status.Task, rc.now))
}

// lastExpiry returns the time at which the last certificate in a node's name expires at the
// latest. The one on record may have been renewed a moment ago.
func lastExpiry(task *v1alpha1.MesosTask, now time.Time) time.Time {
	if task == nil || task.Certificate == nil {
		return now.Add(assumedLifetime)
	}
	renewed := now.Add(lifetimeOf(task.Certificate))
	if expiry := task.Certificate.ExpirationTime.Time; expiry.After(renewed) {
		return expiry
	}
	return renewed
}

func lifetimeOf(c *v1alpha1.TaskCertificate) time.Duration {
	return c.ExpirationTime.Sub(c.RequestTime.Time).Round(time.Minute)
}

// inDays returns a long time in days, a short one in hours and minutes.
func inDays(d time.Duration) string {
	if days := d.Round(time.Hour).Hours() / 24; days >= 2 {
		return fmt.Sprintf("%.0f days", days)
	}
	return d.String()
}
