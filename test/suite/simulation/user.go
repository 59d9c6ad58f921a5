package simulation

import (
	"fmt"
	"maps"
	"time"

	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/mesos/scheduler"
)

const frameworkName = "default"

func poolName(i int) string { return fmt.Sprintf("pool-%d", i+1) }

// createInitialObjects makes the framework, the pools and what runs on them.
func (w *world) createInitialObjects() {
	w.userCreates(&v1alpha1.MesosFramework{
		ObjectMeta: metav1.ObjectMeta{Name: frameworkName},
		Spec: v1alpha1.MesosFrameworkSpec{
			Masters: w.mesos.addresses(), Name: "k8sm", User: "root", Roles: []string{"k8sm"},
			FailoverTimeout: &metav1.Duration{Duration: 7 * 24 * time.Hour},
		},
	})
	r := w.rng.of("first sizes")
	for i := range w.plan.pools {
		r = r.then()
		w.userCreates(w.pool(i, int32(r.below(w.plan.maxReplicas+1))))
	}
	if w.plan.pods > 0 && w.plan.budget > 0 {
		w.userCreates(&policyv1.PodDisruptionBudget{
			ObjectMeta: metav1.ObjectMeta{Namespace: podNamespace, Name: "web"},
			Spec:       policyv1.PodDisruptionBudgetSpec{MinAvailable: new(intstr.FromInt32(int32(max(0, w.plan.pods-w.plan.budget))))},
		})
	}
}

func (w *world) pool(i int, replicas int32) *v1alpha1.MesosNodePool {
	drain := v1alpha1.Drain{}
	if w.plan.drainTimeout > 0 {
		drain.Timeout = &metav1.Duration{Duration: w.plan.drainTimeout.Truncate(time.Second)}
	}
	unreachable := v1alpha1.Unreachable{}
	if w.plan.replaceAfter > 0 {
		unreachable.ReplaceAfter = &metav1.Duration{Duration: w.plan.replaceAfter.Truncate(time.Second)}
	}
	return &v1alpha1.MesosNodePool{
		ObjectMeta: metav1.ObjectMeta{Name: poolName(i)},
		Spec: v1alpha1.MesosNodePoolSpec{
			FrameworkRef: v1alpha1.FrameworkReference{Name: frameworkName},
			Replicas:     &replicas,
			Template: v1alpha1.NodeTemplate{Spec: v1alpha1.NodeTemplateSpec{
				Resources: v1alpha1.NodeResources{CPU: resource.MustParse("2"), Memory: resource.MustParse("2Gi")},
				Overhead:  v1alpha1.NodeOverhead{CPU: resource.MustParse("100m"), Memory: resource.MustParse("256Mi")},
			}},
			Placement: v1alpha1.Placement{MaxNodesPerAgent: int32(w.plan.roomPerAgent)},
			Drain:     drain, Unreachable: unreachable,
		},
	}
}

func (w *world) userCreates(o client.Object) {
	if _, err := w.server.create("user", o); err != nil {
		w.trace.add("user", "creating %s: %v", o.GetName(), err)
	}
}

// userScales sets the size of a pool.
func (w *world) userScales(i int, replicas int32) {
	w.userEdits(i, func(p *v1alpha1.MesosNodePool) { p.Spec.Replicas = &replicas })
}

func (w *world) userEdits(i int, edit func(*v1alpha1.MesosNodePool)) {
	_, err := w.server.update("user", write{kind: kindPool, key: client.ObjectKey{Name: poolName(i)},
		change: func(o client.Object) (client.Object, error) {
			edit(o.(*v1alpha1.MesosNodePool))
			return o, nil
		}})
	if err != nil {
		w.trace.add("user", "editing %s: %v", poolName(i), err)
	}
}

// userForceReleases releases the nodes on agents that have left for good, since only a person
// knows that their tasks have ended. It reports whether no such node is left.
func (w *world) userForceReleases(agents map[string]bool) (all bool) {
	all = true
	living := w.checks.runningTasks()
	for _, o := range w.server.list(kindMesosNode) {
		t := o.(*v1alpha1.MesosNode).Status.Task
		if t != nil && agents[t.AgentID] && living[t.ID] {
			all = false
			continue
		}
		if t == nil || !agents[t.AgentID] || scheduler.TaskState(t.State).Terminal() || o.GetAnnotations()[v1alpha1.AnnotationForceRelease] != "" {
			continue
		}
		key := client.ObjectKeyFromObject(o)
		_, err := w.server.update("user", write{kind: kindMesosNode, key: key, change: func(o client.Object) (client.Object, error) {
			annotations := map[string]string{v1alpha1.AnnotationForceRelease: "true"}
			maps.Copy(annotations, o.GetAnnotations())
			o.SetAnnotations(annotations)
			return o, nil
		}})
		if err != nil {
			w.trace.add("user", "forcing %s: %v", key.Name, err)
		}
		w.userDeletes(kindMesosNode, key)
	}
	return all
}

func (w *world) userDeletes(k kind, key client.ObjectKey) {
	if err := w.server.remove("user", k, key, ""); err != nil {
		w.trace.add("user", "deleting %s: %v", name(k, key), err)
	}
}

// anyObject returns a random object of a kind, nil if there is none.
func (w *world) anyObject(k kind, r roll) client.Object {
	all := w.server.list(k)
	if len(all) == 0 {
		return nil
	}
	return all[r.below(len(all))]
}
