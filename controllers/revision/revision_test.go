package revision_test

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/controllers/revision"
	"github.com/k8sm/k8sm/mesos/nodeapi"
)

func artifact(name, digit string) v1alpha1.Artifact {
	return v1alpha1.Artifact{Name: name, Type: v1alpha1.ArtifactBinary, URI: "https://example.com/" + name, SHA256: strings.Repeat(digit, 64)}
}

// input returns what nodes are made of in most tests.
func input(change func(*revision.Input)) revision.Input {
	in := revision.Input{
		Template: v1alpha1.NodeTemplate{
			Metadata: v1alpha1.NodeTemplateMetadata{Labels: map[string]string{"team": "data"}},
			Spec: v1alpha1.NodeTemplateSpec{
				Resources: v1alpha1.NodeResources{CPU: resource.MustParse("4"), Memory: resource.MustParse("8Gi")},
				Overhead:  v1alpha1.NodeOverhead{CPU: resource.MustParse("100m"), Memory: resource.MustParse("256Mi")},
				Kubelet:   v1alpha1.NodeKubelet{Config: &runtime.RawExtension{Raw: []byte(`{"maxPods":50,"registryPullQPS":7}`)}},
			},
		},
		Runtime: revision.Runtime{ContainerRuntime: "containerd", Artifacts: []v1alpha1.Artifact{artifact("kubelet", "1"), artifact("executor", "2"), artifact("runc", "3")}},
		Given:   revision.Given{APIServer: "https://api:6443", ClusterDomain: "cluster.local", StateDir: "/var/lib/k8sm", ClusterDNS: []string{"10.0.0.10"}},
	}
	change(&in)
	return in
}

func of(t *testing.T, change func(*revision.Input)) revision.Revision {
	t.Helper()
	r, err := revision.Of(input(change))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func unchanged(*revision.Input) {}

// TestRevisionIsStable fails if another version of the operator would take all nodes for outdated.
func TestRevisionIsStable(t *testing.T) {
	if got := of(t, unchanged); got != "b7a5e6c2-1d783210" {
		t.Errorf("the revision is %s: nodes that run would be replaced when the operator is upgraded", got)
	}
}

func TestWhatDoesNotNeedAnotherNode(t *testing.T) {
	for name, change := range map[string]func(*revision.Input){
		"a label":       func(in *revision.Input) { in.Template.Metadata.Labels["team"] = "web" },
		"an annotation": func(in *revision.Input) { in.Template.Metadata.Annotations = map[string]string{"a": "b"} },
		"a taint": func(in *revision.Input) {
			in.Template.Spec.Taints = []v1alpha1.Taint{{Key: "a", Effect: corev1.TaintEffectNoSchedule}}
		},
		"a startup taint": func(in *revision.Input) {
			in.Template.Spec.StartupTaints = []v1alpha1.Taint{{Key: "a", Effect: corev1.TaintEffectNoSchedule}}
		},
		"another form of the same amounts": func(in *revision.Input) {
			in.Template.Spec.Resources = v1alpha1.NodeResources{CPU: resource.MustParse("4000m"), Memory: resource.MustParse("8192Mi")}
		},
		"defaults that are not set": func(in *revision.Input) { in.Template.Spec.Overhead = v1alpha1.NodeOverhead{} },
		"another order of the kubelet's settings": func(in *revision.Input) {
			in.Template.Spec.Kubelet.Config.Raw = []byte("{\"registryPullQPS\": 7, \"maxPods\": 50}")
		},
		"another address of an artifact":   func(in *revision.Input) { in.Runtime.Artifacts[1].URI = "http://mirror/executor" },
		"another name of the same runtime": func(in *revision.Input) { in.Template.Spec.Runtime.Version = "v1.37.2-2" },
		"another order of artifacts":       func(in *revision.Input) { slices.Reverse(in.Runtime.Artifacts) },
		"an artifact without a type":       func(in *revision.Input) { in.Runtime.Artifacts[2].Type = "" },
		"the default of the pod network":   func(in *revision.Input) { in.Runtime.CNI = v1alpha1.CNIBundled },
		"masters that pods are kept from": func(in *revision.Input) {
			in.Given.Network.Deny = []string{"m1:5050"}
		},
		"another shape": func(in *revision.Input) { in.Template.Spec.Shapes = []v1alpha1.NodeShape{{Name: "large"}} },
	} {
		t.Run(name, func(t *testing.T) {
			if before, after := of(t, unchanged), of(t, change); before != after {
				t.Errorf("changes the revision from %s to %s", before, after)
			}
		})
	}
}

func TestWhatNeedsAnotherNode(t *testing.T) {
	for name, change := range map[string]func(*revision.Input){
		"resources":              func(in *revision.Input) { in.Template.Spec.Resources.CPU = resource.MustParse("5") },
		"disk":                   func(in *revision.Input) { in.Template.Spec.Resources.EphemeralStorage = new(resource.MustParse("1Gi")) },
		"overhead":               func(in *revision.Input) { in.Template.Spec.Overhead.CPU = resource.MustParse("200m") },
		"the kubelet's settings": func(in *revision.Input) { in.Template.Spec.Kubelet.Config.Raw = []byte(`{"maxPods":51}`) },
		"a static pod": func(in *revision.Input) {
			in.Template.Spec.Kubelet.StaticPods = []runtime.RawExtension{{Raw: []byte(`{"kind":"Pod"}`)}}
		},
		"the digest of an artifact": func(in *revision.Input) { in.Runtime.Artifacts[1] = artifact("executor", "9") },
		"another artifact":          func(in *revision.Input) { in.Runtime.Artifacts = append(in.Runtime.Artifacts, artifact("image", "8")) },
		"a kubelet in an archive":   func(in *revision.Input) { in.Runtime.Artifacts[0].Type = v1alpha1.ArtifactArchive },
		"the pod network":           func(in *revision.Input) { in.Runtime.CNI = v1alpha1.CNIExternal },
		"the sandbox image":         func(in *revision.Input) { in.Runtime.SandboxImage = "pause:4" },
		"the agents' containerd":    func(in *revision.Input) { in.Runtime.RuntimeSocket = "/run/containerd/containerd.sock" },
		"the API server":            func(in *revision.Input) { in.Given.APIServer = "https://other:6443" },
		"the cluster's DNS":         func(in *revision.Input) { in.Given.ClusterDNS = []string{"10.0.0.11"} },
		"the cluster's domain":      func(in *revision.Input) { in.Given.ClusterDomain = "example.org" },
		"the state folder":          func(in *revision.Input) { in.Given.StateDir = "/data" },
		"the agents' firewall":      func(in *revision.Input) { in.Given.Network = nodeapi.Network{DenyAgent: true} },
		"a restart": func(in *revision.Input) {
			in.Template.Metadata.Annotations = map[string]string{v1alpha1.AnnotationRestartedAt: "2026-11-30T12:00:00Z"}
		},
	} {
		t.Run(name, func(t *testing.T) {
			if before, after := of(t, unchanged), of(t, change); !before.NeedsNode(after) {
				t.Errorf("does not need another node: %s and %s", before, after)
			}
		})
	}
}

func TestAnotherKubeletChangesTheSecondHalf(t *testing.T) {
	before, after := of(t, unchanged), of(t, func(in *revision.Input) { in.Runtime.Artifacts[0] = artifact("kubelet", "9") })
	if before == after || before.NeedsNode(after) {
		t.Errorf("%s and %s should differ in the kubelet alone", before, after)
	}
}

func TestParse(t *testing.T) {
	for label, known := range map[string]bool{"": false, "1": false, "12345678": false, "12345678-12345678": true, "1234567-12345678": false, "12345678-": false} {
		if _, got := revision.Parse(label); got != known {
			t.Errorf("%q is a revision: %t, want %t", label, got, known)
		}
	}
	if r := of(t, unchanged); len(r) > 63 {
		t.Errorf("%s is no value of a label", r)
	}
}

func TestUnreadableTemplateHasNoRevision(t *testing.T) {
	for name, change := range map[string]func(*revision.Input){
		"settings": func(in *revision.Input) { in.Template.Spec.Kubelet.Config.Raw = []byte("{") },
		"static pod": func(in *revision.Input) {
			in.Template.Spec.Kubelet.StaticPods = []runtime.RawExtension{{Raw: []byte("{")}}
		},
	} {
		if r, err := revision.Of(input(change)); err == nil {
			t.Errorf("%s: revision %s", name, r)
		}
	}
}

// TestEveryFieldOfATemplateIsKnown makes who adds a field decide whether it needs another node.
func TestEveryFieldOfATemplateIsKnown(t *testing.T) {
	for _, test := range []struct {
		of    any
		known []string
	}{
		{v1alpha1.NodeTemplate{}, []string{"Metadata", "Spec"}},
		{v1alpha1.NodeTemplateSpec{}, []string{"Resources", "Shapes", "Overhead", "Taints", "StartupTaints", "Kubelet", "Runtime"}},
		{v1alpha1.NodeResources{}, []string{"CPU", "Memory", "EphemeralStorage"}},
		{v1alpha1.NodeOverhead{}, []string{"CPU", "Memory"}},
		{v1alpha1.NodeKubelet{}, []string{"Config", "StaticPods"}},
		{v1alpha1.NodeRuntime{}, []string{"Version", "Artifacts", "RuntimeSocket", "CNI", "SandboxImage"}},
		{v1alpha1.Artifact{}, []string{"Name", "Type", "Architecture", "URI", "SHA256"}},
	} {
		kind := reflect.TypeOf(test.of)
		var fields []string
		for i := range kind.NumField() {
			fields = append(fields, kind.Field(i).Name)
		}
		if !slices.Equal(fields, test.known) {
			t.Errorf("%s has the fields %v, and the revision knows of %v: add the field to content, or to the test of what does not count", kind, fields, test.known)
		}
	}
}
