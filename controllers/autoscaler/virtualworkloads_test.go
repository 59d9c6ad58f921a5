package autoscaler

import (
	"fmt"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"

	"github.com/k8sm/k8sm/controllers/podstate"
)

// workload is a ReplicaSet or StatefulSet of the namespace default, and what its controller
// does.
type workload struct {
	name     string
	replicas int
	// stateful: a pod is created again when the one of its name is gone, not when it is ending.
	stateful bool
	owner    metav1.OwnerReference
	template corev1.PodTemplateSpec
	made     int
}

// daemonSet is a DaemonSet of the namespace default.
type daemonSet struct{ *appsv1.DaemonSet }

func objectMeta(namespace, name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: namespace, Name: name, UID: types.UID("uid-" + name)}
}

// podTemplate returns a template of pods with one container that requests so much cpu.
func podTemplate(app, cpu string, how ...func(*corev1.PodTemplateSpec)) corev1.PodTemplateSpec {
	t := corev1.PodTemplateSpec{}
	t.Labels = map[string]string{"app": app}
	t.Spec.Containers = []corev1.Container{{Name: "main", Resources: corev1.ResourceRequirements{Requests: corev1.ResourceList{}}}}
	if cpu != "" {
		t.Spec.Containers[0].Resources.Requests[corev1.ResourceCPU] = resource.MustParse(cpu)
	}
	for _, h := range how {
		h(&t)
	}
	return t
}

// deploy creates a ReplicaSet.
func (c *virtualCluster) deploy(name string, replicas int, cpu string, how ...func(*corev1.PodTemplateSpec)) *workload {
	set := &appsv1.ReplicaSet{ObjectMeta: objectMeta("default", name)}
	set.Spec.Template = podTemplate(name, cpu, how...)
	c.api.put(set)
	return c.addWorkload(&workload{name: name, replicas: replicas, template: set.Spec.Template, owner: *metav1.NewControllerRef(set, appsv1.SchemeGroupVersion.WithKind("ReplicaSet"))})
}

// deployStateful creates a StatefulSet.
func (c *virtualCluster) deployStateful(name string, replicas int, cpu string, how ...func(*corev1.PodTemplateSpec)) *workload {
	set := &appsv1.StatefulSet{ObjectMeta: objectMeta("default", name)}
	set.Spec.Template = podTemplate(name, cpu, how...)
	c.api.put(set)
	return c.addWorkload(&workload{name: name, replicas: replicas, stateful: true, template: set.Spec.Template, owner: *metav1.NewControllerRef(set, appsv1.SchemeGroupVersion.WithKind("StatefulSet"))})
}

func (c *virtualCluster) addWorkload(w *workload) *workload {
	c.workloads = append(c.workloads, w)
	c.wake("workloads", 200*time.Millisecond, c.syncWorkloads)
	return w
}

// deployDaemons creates a DaemonSet.
func (c *virtualCluster) deployDaemons(name, cpu string, how ...func(*corev1.PodTemplateSpec)) {
	set := &appsv1.DaemonSet{ObjectMeta: objectMeta("default", name)}
	set.Spec.Template = podTemplate(name, cpu, how...)
	c.api.put(set)
	c.daemons = append(c.daemons, &daemonSet{set})
	c.wake("workloads", 200*time.Millisecond, c.syncWorkloads)
}

// syncWorkloads does what the controllers of workloads do.
func (c *virtualCluster) syncWorkloads() {
	for _, w := range c.workloads {
		c.syncWorkload(w)
	}
	for _, d := range c.daemons {
		c.syncDaemons(d)
	}
}

func (c *virtualCluster) syncWorkload(w *workload) {
	running := 0
	for _, pod := range all[*corev1.Pod](c.api) {
		if owner := metav1.GetControllerOf(pod); owner == nil || owner.UID != w.owner.UID || podstate.HasEnded(pod) {
			continue
		}
		switch {
		case !pod.DeletionTimestamp.IsZero():
		case running >= w.replicas:
			c.terminate(pod)
		default:
			running++
		}
	}
	for i := 0; running < w.replicas; i++ {
		name := fmt.Sprintf("%s-%d", w.name, i)
		if !w.stateful {
			w.made++
			name = fmt.Sprintf("%s-%d", w.name, w.made)
		}
		switch pod := find[*corev1.Pod](c.api, "default", name); {
		case pod == nil:
			c.createPod(name, w.template, w.owner)
			running++
		case !pod.DeletionTimestamp.IsZero():
			running++ // it comes back when this one is gone
		}
	}
}

func (c *virtualCluster) syncDaemons(d *daemonSet) {
	for _, n := range all[*corev1.Node](c.api) {
		name := d.Name + "-on-" + n.Name
		if find[*corev1.Pod](c.api, "default", name) != nil {
			continue
		}
		template := *d.Spec.Template.DeepCopy()
		template.Spec.Affinity = &corev1.Affinity{NodeAffinity: &corev1.NodeAffinity{RequiredDuringSchedulingIgnoredDuringExecution: &corev1.NodeSelector{
			NodeSelectorTerms: []corev1.NodeSelectorTerm{{MatchFields: []corev1.NodeSelectorRequirement{{Key: metav1.ObjectNameField, Operator: corev1.NodeSelectorOpIn, Values: []string{n.Name}}}}}}}}
		template.Spec.Tolerations = append(template.Spec.Tolerations, corev1.Toleration{Operator: corev1.TolerationOpExists})
		c.createPod(name, template, *metav1.NewControllerRef(d.DaemonSet, appsv1.SchemeGroupVersion.WithKind("DaemonSet")))
	}
}

// createPod creates a pod of a template, with what admission adds to it.
func (c *virtualCluster) createPod(name string, template corev1.PodTemplateSpec, owner metav1.OwnerReference) {
	c.uids++
	pod := &corev1.Pod{ObjectMeta: *template.ObjectMeta.DeepCopy(), Spec: *template.Spec.DeepCopy()}
	pod.Namespace, pod.Name, pod.UID, pod.Generation = "default", name, types.UID(fmt.Sprintf("pod-%d", c.uids)), 1
	pod.CreationTimestamp, pod.OwnerReferences = metav1.NewTime(c.now), []metav1.OwnerReference{owner}
	pod.Status.Phase = corev1.PodPending
	c.admit(pod)
	c.api.put(pod)
}

// admit sets the requests that a pod does not state: its limits, or the defaults of a LimitRange.
func (c *virtualCluster) admit(pod *corev1.Pod) {
	for i := range pod.Spec.Containers {
		resources := &pod.Spec.Containers[i].Resources
		if resources.Requests == nil {
			resources.Requests = corev1.ResourceList{}
		}
		add := func(defaults corev1.ResourceList) {
			for name, quantity := range defaults {
				if _, stated := resources.Requests[name]; !stated {
					resources.Requests[name] = quantity
				}
			}
		}
		add(resources.Limits)
		for _, limits := range all[*corev1.LimitRange](c.api) {
			for _, item := range limits.Spec.Limits {
				add(item.DefaultRequest)
			}
		}
	}
}

// terminate ends a pod gracefully.
func (c *virtualCluster) terminate(pod *corev1.Pod) {
	name, uid := pod.Name, pod.UID
	if !pod.DeletionTimestamp.IsZero() {
		return
	}
	c.changePod(name, func(p *corev1.Pod) { p.DeletionTimestamp = &metav1.Time{Time: c.now.Add(30 * time.Second)} })
	c.after(c.between(time.Second, 30*time.Second), func() {
		if pod := find[*corev1.Pod](c.api, "default", name); pod != nil && pod.UID == uid {
			c.api.remove(pod)
		}
	})
}

// evict answers an eviction as the API server does.
func (c *virtualCluster) evict(pod *corev1.Pod) error {
	for _, budget := range all[*policyv1.PodDisruptionBudget](c.api) {
		if !selects(budget, pod) {
			continue
		}
		if budget.Status.DisruptionsAllowed <= 0 {
			return apierrors.NewTooManyRequests("Cannot evict pod as it would violate the pod's disruption budget.", 0)
		}
		spent := budget.DeepCopy()
		spent.Status.DisruptionsAllowed--
		c.api.put(spent)
	}
	c.evicted++
	c.note("evict %s from %s", pod.Name, pod.Spec.NodeName)
	c.terminate(pod)
	return nil
}

func selects(budget *policyv1.PodDisruptionBudget, pod *corev1.Pod) bool {
	selector, err := metav1.LabelSelectorAsSelector(budget.Spec.Selector)
	return err == nil && selector.Matches(labels.Set(pod.Labels))
}

// addBudget creates a PodDisruptionBudget for the pods of a workload.
func (c *virtualCluster) addBudget(app string, maxUnavailable int) {
	budget := &policyv1.PodDisruptionBudget{ObjectMeta: objectMeta("default", app)}
	budget.Spec.Selector = &metav1.LabelSelector{MatchLabels: map[string]string{"app": app}}
	budget.Spec.MaxUnavailable = new(intOrString(maxUnavailable))
	c.api.put(budget)
}

// syncBudgets counts the healthy pods of each PodDisruptionBudget.
func (c *virtualCluster) syncBudgets() {
	for _, budget := range all[*policyv1.PodDisruptionBudget](c.api) {
		expected, healthy := 0, 0
		for _, w := range c.workloads {
			if selects(budget, &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Labels: w.template.Labels}}) {
				expected += w.replicas
			}
		}
		for _, pod := range all[*corev1.Pod](c.api) {
			ready := pod.Status.Phase == corev1.PodRunning && len(pod.Status.Conditions) == 0
			if selects(budget, pod) && ready && pod.DeletionTimestamp.IsZero() {
				healthy++
			}
		}
		desired := expected - budget.Spec.MaxUnavailable.IntValue()
		status := policyv1.PodDisruptionBudgetStatus{
			DisruptionsAllowed: int32(max(healthy-desired, 0)), CurrentHealthy: int32(healthy), DesiredHealthy: int32(desired), ExpectedPods: int32(expected),
		}
		if status.DisruptionsAllowed == budget.Status.DisruptionsAllowed && status.CurrentHealthy == budget.Status.CurrentHealthy && status.ExpectedPods == budget.Status.ExpectedPods {
			continue
		}
		counted := budget.DeepCopy()
		counted.Status = status
		c.api.put(counted)
	}
}
