package controllers

import (
	"reflect"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/k8sm/k8sm/api/v1alpha1"
)

func cached(t *testing.T, m *podInterner, pod *corev1.Pod) *corev1.Pod {
	t.Helper()
	out, err := m.trim(pod.DeepCopy())
	if err != nil {
		t.Fatal(err)
	}
	again, err := m.trim(out)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(out, again); diff != "" {
		t.Errorf("what is trimmed twice is another (-once +twice):\n%s", diff)
	}
	return again.(*corev1.Pod)
}

// worker is a pod of a template, on a node.
func worker(name, node string) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: "default", Name: name, GenerateName: "worker-", UID: types.UID(name), ResourceVersion: "7", Generation: 1,
			Labels:          map[string]string{"app": "worker"},
			Annotations:     map[string]string{v1alpha1.AnnotationDoNotDisrupt: "true", "example.com/notes": "long"},
			OwnerReferences: []metav1.OwnerReference{{Kind: "ReplicaSet", Name: "worker", Controller: new(true)}},
			ManagedFields:   []metav1.ManagedFieldsEntry{{Manager: "kubelet"}},
		},
		Spec: corev1.PodSpec{
			NodeName: node, ServiceAccountName: "default", Priority: new(int32(5)),
			Volumes: []corev1.Volume{
				{Name: "token-" + name, VolumeSource: corev1.VolumeSource{Projected: &corev1.ProjectedVolumeSource{}}},
				{Name: "scratch", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}},
			},
			Containers: []corev1.Container{{
				Name: "main", Image: "busybox", Env: []corev1.EnvVar{{Name: "A", Value: "b"}},
				Resources: corev1.ResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("1")}},
			}},
		},
		Status: corev1.PodStatus{
			Phase: corev1.PodRunning, PodIP: "10.0.0.1",
			Conditions:        []corev1.PodCondition{{Type: corev1.PodScheduled, Status: corev1.ConditionTrue}, {Type: corev1.PodReady, Status: corev1.ConditionTrue}},
			ContainerStatuses: []corev1.ContainerStatus{{Name: "main", ContainerID: "containerd://1", Resources: &corev1.ResourceRequirements{}}},
		},
	}
}

func TestTrimmedPod(t *testing.T) {
	kept := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: "default", Name: "a", UID: "a", ResourceVersion: "7", Generation: 1,
			Labels:          map[string]string{"app": "worker"},
			Annotations:     map[string]string{v1alpha1.AnnotationDoNotDisrupt: "true"},
			OwnerReferences: []metav1.OwnerReference{{Kind: "ReplicaSet", Name: "worker", Controller: new(true)}},
		},
		Spec: corev1.PodSpec{
			NodeName: "node-1", Priority: new(int32(5)),
			Volumes: []corev1.Volume{{Name: "scratch", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}}},
			Containers: []corev1.Container{{
				Name: "main", Resources: corev1.ResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("1")}},
			}},
		},
		Status: corev1.PodStatus{Phase: corev1.PodRunning},
	}
	tests := map[string]struct {
		pod  func(*corev1.Pod)
		want func(*corev1.Pod)
	}{
		"fields for scheduling and disruption are kept": {func(*corev1.Pod) {}, func(*corev1.Pod) {}},
		"the start of a pod with a protection that ends some time after it is kept": {
			func(p *corev1.Pod) {
				p.Annotations, p.Status.StartTime = map[string]string{"karpenter.sh/do-not-disrupt": "4h"}, &metav1.Time{Time: time.Unix(7, 0)}
			},
			func(p *corev1.Pod) {
				p.Annotations, p.Status.StartTime = map[string]string{"karpenter.sh/do-not-disrupt": "4h"}, &metav1.Time{Time: time.Unix(7, 0)}
			},
		},
		"the condition of an unschedulable pod is kept": {
			func(p *corev1.Pod) {
				p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: corev1.PodReasonUnschedulable, Message: "0/5000 nodes are available"}}
			},
			func(p *corev1.Pod) {
				p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: corev1.PodReasonUnschedulable}}
			},
		},
		"the condition of an unready pod is kept": {
			func(p *corev1.Pod) {
				p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionFalse, Reason: "ContainersNotReady"}}
			},
			func(p *corev1.Pod) {
				p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionFalse, Reason: "ContainersNotReady"}}
			},
		},
		"the container resources are kept during a resize": {
			func(p *corev1.Pod) {
				p.Status.Conditions = append(p.Status.Conditions, corev1.PodCondition{Type: corev1.PodResizeInProgress, Status: corev1.ConditionTrue})
			},
			func(p *corev1.Pod) {
				p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodResizeInProgress, Status: corev1.ConditionTrue}}
				p.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "main", Resources: &corev1.ResourceRequirements{}}}
			},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			pod, want := worker("a", "node-1"), kept.DeepCopy()
			test.pod(pod)
			test.want(want)
			if diff := cmp.Diff(want, cached(t, &podInterner{}, pod)); diff != "" {
				t.Errorf("kept (-want +got):\n%s", diff)
			}
		})
	}
}

func TestPodsOfATemplateShareMemory(t *testing.T) {
	m := &podInterner{}
	a, b := cached(t, m, worker("a", "node-1")), cached(t, m, worker("b", "node-2"))
	if &a.Spec.Containers[0] != &b.Spec.Containers[0] || len(m.known) != 1 {
		t.Errorf("pods of one template have %d", len(m.known))
	}
	if a.Name != "a" || b.Name != "b" || a.Spec.NodeName != "node-1" || b.Spec.NodeName != "node-2" {
		t.Errorf("they share what is each one's own: %s on %s, %s on %s", a.Name, a.Spec.NodeName, b.Name, b.Spec.NodeName)
	}
	other := worker("c", "node-1")
	other.Labels = map[string]string{"app": "another"}
	if c := cached(t, m, other); c.Labels["app"] != "another" || a.Labels["app"] != "worker" {
		t.Errorf("pods of two templates have the labels %v and %v", a.Labels, c.Labels)
	}
}

func TestInternedTemplatesAreBounded(t *testing.T) {
	m := &podInterner{}
	for i := range maxInternedPods + 10 {
		pod := worker("a", "node-1")
		pod.Labels = map[string]string{"app": string(rune('0' + i))}
		cached(t, m, pod)
	}
	if len(m.known) > maxInternedPods {
		t.Errorf("%d templates are remembered", len(m.known))
	}
}

func TestTrimmedNode(t *testing.T) {
	out, err := trimNode(&corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: "node-1", ManagedFields: []metav1.ManagedFieldsEntry{{Manager: "kubelet"}}},
		Status:     corev1.NodeStatus{Images: []corev1.ContainerImage{{Names: []string{"busybox"}}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(&corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "node-1"}}, out); diff != "" {
		t.Errorf("kept (-want +got):\n%s", diff)
	}
}

// fill sets a value and everything below it to something that is not zero.
func fill(v reflect.Value, depth int) {
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), depth)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(v.Index(0), depth)
	case reflect.Map:
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		fill(key, depth)
		fill(value, depth)
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(key, value)
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() && depth > 0 {
				fill(v.Field(i), depth-1)
			}
		}
	case reflect.String:
		v.SetString("x")
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int32, reflect.Int64:
		v.SetInt(1)
	}
}

// droppedFields returns the fields of the struct at get(pod) that a trimmed pod has lost, of a
// pod in which each field alone is set.
func droppedFields[T any](t *testing.T, get func(*corev1.Pod) *T) []string {
	t.Helper()
	var dropped []string
	for i := range reflect.TypeFor[T]().NumField() {
		pod := &corev1.Pod{}
		fill(reflect.ValueOf(get(pod)).Elem().Field(i), 3)
		if reflect.ValueOf(get(cached(t, &podInterner{}, pod))).Elem().Field(i).IsZero() {
			dropped = append(dropped, reflect.TypeFor[T]().Field(i).Name)
		}
	}
	return dropped
}

// A field that a release of Kubernetes adds to a pod may matter to the scheduler, whose plugins
// see only cached pods. Decide about a new field: keep it in trimPod, or add it here.
func TestEveryFieldOfAPodIsKeptOrDroppedOnPurpose(t *testing.T) {
	container := func(pod *corev1.Pod) *corev1.Container {
		if len(pod.Spec.Containers) == 0 {
			pod.Spec.Containers = make([]corev1.Container, 1)
		}
		return &pod.Spec.Containers[0]
	}
	for name, test := range map[string]struct{ got, want []string }{
		"spec": {droppedFields(t, func(p *corev1.Pod) *corev1.PodSpec { return &p.Spec }), []string{
			"EphemeralContainers", "RestartPolicy", "TerminationGracePeriodSeconds", "ActiveDeadlineSeconds", "DNSPolicy",
			"ServiceAccountName", "DeprecatedServiceAccount", "AutomountServiceAccountToken", "HostPID", "HostIPC",
			"ShareProcessNamespace", "SecurityContext", "ImagePullSecrets", "Hostname", "Subdomain", "HostAliases",
			"PriorityClassName", "DNSConfig", "ReadinessGates", "RuntimeClassName", "EnableServiceLinks", "PreemptionPolicy",
			"SetHostnameAsFQDN", "HostnameOverride", "EvictionResponders",
		}},
		"status": {droppedFields(t, func(p *corev1.Pod) *corev1.PodStatus { return &p.Status }), []string{
			"ObservedGeneration", "Conditions", "Message", "Reason", "HostIP", "HostIPs", "PodIP", "PodIPs", "StartTime",
			"InitContainerStatuses", "ContainerStatuses", "QOSClass", "EphemeralContainerStatuses", "Resize",
			"ExtendedResourceClaimStatus", "AllocatedResources", "Resources",
			"NodeAllocatableResourceClaimStatuses", // of the alpha feature DRANodeAllocatableResources
			"VolumeHealth",
		}},
		"a container": {droppedFields(t, container), []string{
			"Image", "Command", "Args", "WorkingDir", "EnvFrom", "Env", "ResizePolicy", "VolumeDevices",
			"LivenessProbe", "ReadinessProbe", "StartupProbe", "Lifecycle", "TerminationMessagePath", "TerminationMessagePolicy",
			"ImagePullPolicy", "SecurityContext", "Stdin", "StdinOnce", "TTY",
		}},
	} {
		if diff := cmp.Diff(test.want, test.got); diff != "" {
			t.Errorf("dropped fields of %s (-want +got):\n%s", name, diff)
		}
	}
}

func TestMountsWithBindOptionsAreKept(t *testing.T) {
	pod := worker("a", "node-1")
	pod.Spec.Containers[0].VolumeMounts = []corev1.VolumeMount{{Name: "scratch", MountPath: "/a"}}
	if mounts := cached(t, &podInterner{}, pod).Spec.Containers[0].VolumeMounts; mounts != nil {
		t.Errorf("kept %v", mounts)
	}
}

func TestOtherObjectsAreCachedUnchanged(t *testing.T) {
	object := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "a", ManagedFields: []metav1.ManagedFieldsEntry{{Manager: "kubelet"}}}}
	for name, transform := range map[string]func(any) (any, error){"nodes": trimNode, "pods": (&podInterner{}).trim} {
		if out, err := transform(object); err != nil || out != any(object) || len(object.ManagedFields) != 1 {
			t.Errorf("the transform of %s returns %v, %v", name, out, err)
		}
	}
}

func TestCacheHoldsTheSecretsOfOneNamespace(t *testing.T) {
	options := Cache("k8sm-system")
	trimmed := 0
	for object, o := range options.ByObject {
		switch object.(type) {
		case *corev1.Secret:
			if _, ok := o.Namespaces["k8sm-system"]; !ok || len(o.Namespaces) != 1 {
				t.Errorf("the namespaces of secrets are %v", o.Namespaces)
			}
		case *corev1.Node, *corev1.Pod:
			trimmed++
			if o.Transform == nil || len(o.Namespaces) > 0 {
				t.Errorf("%T has a transform: %t, namespaces %v", object, o.Transform != nil, o.Namespaces)
			}
		}
	}
	if trimmed != 2 || options.DefaultTransform == nil {
		t.Errorf("%d kinds are trimmed, managed fields are dropped: %t", trimmed, options.DefaultTransform != nil)
	}
}
