package autoscaler

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/controllers/patch"
)

// checkPermission reports whether the operator may read what autoscaling needs, and sets the
// condition AutoscalingPermitted of the pools accordingly.
func (r *Reconciler) checkPermission(ctx context.Context, pools []*pool) (bool, error) {
	missing, err := r.Permission.Missing(ctx)
	if err != nil {
		return false, err
	}
	for _, p := range pools {
		after := p.MesosNodePool.DeepCopy()
		if !meta.SetStatusCondition(&after.Status.Conditions, permittedCondition(p.Generation, missing, metav1.NewTime(r.Now()))) {
			continue
		}
		if err := patch.Status(ctx, r.Client, p.MesosNodePool, after); client.IgnoreNotFound(err) != nil {
			return false, fmt.Errorf("setting condition %s of pool %s: %w", v1alpha1.ConditionAutoscalingPermitted, p.Name, err)
		}
		p.MesosNodePool = after
	}
	return missing == "", nil
}

// permittedCondition is True unless a right is missing.
func permittedCondition(generation int64, missing string, now metav1.Time) metav1.Condition {
	c := metav1.Condition{
		Type: v1alpha1.ConditionAutoscalingPermitted, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonAutoscalingPermitted,
		Message: "The operator may read what autoscaling needs.", ObservedGeneration: generation, LastTransitionTime: now,
	}
	if missing != "" {
		c.Status, c.Reason = metav1.ConditionFalse, v1alpha1.ReasonAutoscalingNotPermitted
		c.Message = fmt.Sprintf("The operator may not %s, so nodes are neither created nor removed for pods. "+
			"Grant it the ClusterRole k8sm-operator-autoscaling (kubectl apply -k config/rbac/autoscaling); it looks again within a minute.", missing)
	}
	return c
}
