package nodetemplate

import (
	"encoding/json"
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	resourcehelper "k8s.io/component-helpers/resource"
	podapi "k8s.io/kubernetes/pkg/api/pod"
	"k8s.io/kubernetes/pkg/apis/core"
	corev1api "k8s.io/kubernetes/pkg/apis/core/v1"
	"k8s.io/kubernetes/pkg/apis/core/validation"
	kjson "sigs.k8s.io/json"

	"github.com/k8sm/k8sm/api/v1alpha1"
)

const (
	// maxStaticPods is the maximum size of all manifests together, in bytes: they are in every
	// MesosNode.
	maxStaticPods = 256 << 10
	// maxStaticPodName is the maximum length of a static pod's name. The kubelet appends a
	// hyphen and the name of the Node, and 253 is the maximum of the whole.
	maxStaticPodName = 253 - 1 - 63
)

// StaticPods returns the manifests of a template's static pods. The error names everything for
// which a kubelet would refuse them; the kubelet itself would only log it.
func StaticPods(spec v1alpha1.NodeTemplateSpec) ([]json.RawMessage, error) {
	var manifests []json.RawMessage
	size := 0
	for _, manifest := range spec.Kubelet.StaticPods {
		manifests = append(manifests, manifest.Raw)
		size += len(manifest.Raw)
	}
	if size > maxStaticPods {
		return nil, problemsIn("template.spec.kubelet.staticPods", []error{fmt.Errorf("they are %d bytes long, more than %d", size, maxStaticPods)})
	}
	return manifests, problemsIn("template.spec.kubelet.staticPods", checkStaticPods(manifests, spec))
}

func checkStaticPods(manifests []json.RawMessage, spec v1alpha1.NodeTemplateSpec) (problems []error) {
	var pods []*corev1.Pod
	names := map[string]bool{}
	for i, manifest := range manifests {
		pod, bad := parseStaticPod(manifest)
		if pod != nil {
			pods = append(pods, pod)
			if name := pod.Namespace + "/" + pod.Name; pod.Name != "" && names[name] {
				bad = append(bad, fmt.Errorf("%s occurs twice", name))
			} else {
				names[name] = true
			}
		}
		if err := problemsIn(fmt.Sprintf("[%d]", i), bad); err != nil {
			problems = append(problems, err)
		}
	}
	return append(problems, checkRequests(pods, spec)...)
}

// parseStaticPod decodes a manifest, sets the defaults of its kind, and validates it as the
// kubelet does. The pod is nil if the manifest cannot be decoded.
func parseStaticPod(raw []byte) (*corev1.Pod, []error) {
	pod := &corev1.Pod{}
	problems, err := kjson.UnmarshalStrict(raw, pod)
	if err != nil {
		return nil, append(problems, err)
	}
	if pod.APIVersion != "v1" || pod.Kind != "Pod" {
		return nil, append(problems, fmt.Errorf("it is a %s of %q, not a Pod of \"v1\"", pod.Kind, pod.APIVersion))
	}
	if pod.Namespace == "" {
		pod.Namespace = corev1.NamespaceDefault
	}
	if len(pod.Name) > maxStaticPodName {
		problems = append(problems, fmt.Errorf("metadata.name is longer than %d characters: the name of the Node is appended to it", maxStaticPodName))
	}
	if pod.Spec.NodeName != "" {
		problems = append(problems, errors.New("spec.nodeName must not be set: the kubelet sets it"))
	}
	corev1api.SetObjectDefaults_Pod(pod)
	internal := &core.Pod{}
	if err := corev1api.Convert_v1_Pod_To_core_Pod(pod, internal, nil); err != nil {
		return pod, append(problems, fmt.Errorf("converting the pod: %w", err))
	}
	options := podapi.GetValidationOptionsFromPodSpecAndMeta(&internal.Spec, nil, &internal.ObjectMeta, nil)
	for _, err := range validation.ValidatePodCreate(internal, options) {
		problems = append(problems, err)
	}
	switch _, object, err := podapi.HasAPIObjectReference(internal); {
	case err != nil:
		problems = append(problems, err)
	case object != "":
		problems = append(problems, fmt.Errorf("it refers to %s, which a static pod may not", object))
	}
	return pod, problems
}

// checkRequests checks that the pods together request no more than a node has for pods.
func checkRequests(pods []*corev1.Pod, spec v1alpha1.NodeTemplateSpec) (problems []error) {
	has := map[corev1.ResourceName]resource.Quantity{
		corev1.ResourceCPU:    subtract(spec.Resources.CPU, spec.Overhead.CPU),
		corev1.ResourceMemory: subtract(spec.Resources.Memory, spec.Overhead.Memory),
	}
	if disk := spec.Resources.EphemeralStorage; disk != nil {
		has[corev1.ResourceEphemeralStorage] = *disk
	}
	for _, name := range []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory, corev1.ResourceEphemeralStorage} {
		var sum resource.Quantity
		for _, pod := range pods {
			sum.Add(resourcehelper.PodRequests(pod, resourcehelper.PodResourcesOptions{})[name])
		}
		if bound, bounded := has[name]; bounded && sum.Cmp(bound) > 0 {
			problems = append(problems, fmt.Errorf("together they request %s of %s, and a node has %s for pods", sum.String(), name, bound.String()))
		}
	}
	return problems
}

func subtract(a, b resource.Quantity) resource.Quantity {
	out := a.DeepCopy()
	out.Sub(b)
	return out
}
