package mesosframework

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/controllers/patch"
)

// reportSession writes the state of the session into the status.
func (rc *reconcileContext) reportSession(running *sessionEntry) {
	state := running.State()
	hint := remedy(state, rc.framework.Spec, running.failoverCount())
	rc.setConditions(subscribedCondition(state, hint), readyCondition(state, hint))
	if state.Subscribed {
		rc.setConditions(specAppliedCondition(state))
	}
	rc.reportAgentFailures(running.AgentFailures())
	if state.Master != "" {
		rc.framework.Status.Master = state.Master
		rc.framework.Status.MasterVersion = state.MasterVersion
	}
}

// reportProtection writes whether credentials are sent over TLS only.
func (rc *reconcileContext) reportProtection() {
	if c := protectedCondition(rc.framework.Spec); c != nil {
		rc.setConditions(*c)
		return
	}
	meta.RemoveStatusCondition(&rc.framework.Status.Conditions, v1alpha1.ConditionCredentialsProtected)
}

// setConditions sets conditions with the current time and generation.
func (rc *reconcileContext) setConditions(conditions ...metav1.Condition) {
	for _, c := range conditions {
		c.ObservedGeneration = rc.framework.Generation
		c.LastTransitionTime = metav1.NewTime(rc.now)
		meta.SetStatusCondition(&rc.framework.Status.Conditions, c)
	}
}

// patchStatus patches the status if it changed, and then records the events that became true
// by that.
func (r *Reconciler) patchStatus(ctx context.Context, rc *reconcileContext) error {
	rc.framework.Status.ObservedGeneration = rc.framework.Generation
	if rc.released || equality.Semantic.DeepEqual(rc.before.Status, rc.framework.Status) {
		return nil
	}
	switch err := patch.StatusUnlocked(ctx, r.Client, rc.before, rc.framework); {
	case apierrors.IsNotFound(err):
		return nil
	case err != nil:
		return fmt.Errorf("writing status: %w", err)
	}
	r.recordSubscriptionEvent(rc)
	r.recordAgentFailures(rc)
	return nil
}
