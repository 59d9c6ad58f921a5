package v1alpha1

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation"
)

func TestSchemeHasEachKind(t *testing.T) {
	scheme := runtime.NewScheme()
	if err := AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	for _, object := range objects() {
		kinds, _, err := scheme.ObjectKinds(object)
		if want := reflect.TypeOf(object).Elem().Name(); err != nil || len(kinds) != 1 || kinds[0] != GroupVersion.WithKind(want) {
			t.Errorf("%T is of the kinds %v, want %s: %v", object, kinds, want, err)
		}
	}
	if !scheme.IsVersionRegistered(GroupVersion) {
		t.Error("the options of lists and deletions are not registered for the version")
	}
}

func TestJSONKeepsEveryField(t *testing.T) {
	for _, object := range objects() {
		fill(reflect.ValueOf(object).Elem())
		data, err := json.Marshal(object)
		if err != nil {
			t.Fatal(err)
		}
		read := reflect.New(reflect.TypeOf(object).Elem()).Interface()
		if err := json.Unmarshal(data, read); err != nil {
			t.Fatal(err)
		}
		if !equality.Semantic.DeepEqual(object, read) {
			t.Errorf("%T read from its JSON is %+v, want %+v", object, read, object)
		}
	}
}

// A client in Go that leaves a field unset must not send its zero value, unless that is the
// default: the API server would refuse it, or not set the default.
func TestUnsetFieldsAreNotSent(t *testing.T) {
	resources := NodeResources{CPU: resource.MustParse("4"), Memory: resource.MustParse("16Gi")}
	template := NodeTemplate{Spec: NodeTemplateSpec{Resources: resources}}
	for _, test := range []struct {
		spec any
		want string
	}{
		{MesosFrameworkSpec{Masters: []string{"m:5050"}}, `{"masters":["m:5050"]}`},
		{
			MesosNodePoolSpec{FrameworkRef: FrameworkReference{Name: "default"}, Replicas: new(int32), Template: template},
			`{"frameworkRef":{"name":"default"},"replicas":0,"template":{"metadata":{},"spec":{"resources":{"cpu":"4","memory":"16Gi"},"runtime":{}}},"placement":{},"drain":{},"rollout":{},"disruption":{},"unreachable":{},"repair":{}}`,
		},
		{
			NodeTemplateSpec{Shapes: []NodeShape{{Name: "a", Resources: resources}}},
			`{"shapes":[{"name":"a","resources":{"cpu":"4","memory":"16Gi"},"preference":0}],"runtime":{}}`,
		},
		{Autoscaling{}, `{"minReplicas":0,"weight":0,"batch":{},"scaleDown":{}}`},
		{Drain{Timeout: &metav1.Duration{}}, `{"timeout":"0s"}`},
	} {
		data, err := json.Marshal(test.spec)
		if err != nil {
			t.Fatal(err)
		}
		if string(data) != test.want {
			t.Errorf("%T is sent as\n%s, want\n%s", test.spec, data, test.want)
		}
	}
}

func TestNamesAreValidAndOfThisGroup(t *testing.T) {
	seen := map[string]bool{}
	for _, name := range []string{
		LabelPool, LabelFramework, LabelShape, LabelAgentID, LabelAgentHostname,
		AnnotationFrameworkID, AnnotationDoNotDisrupt, AnnotationForceRelease,
		FinalizerRelease, FinalizerNodes, FinalizerTeardown,
	} {
		if problems := validation.IsQualifiedName(name); len(problems) > 0 || !strings.HasPrefix(name, GroupVersion.Group+"/") || seen[name] {
			t.Errorf("%s: %v, or it is not of the group, or is there twice", name, problems)
		}
		seen[name] = true
	}
	// The API server authenticates bootstrap tokens only for groups with this prefix.
	if !strings.HasPrefix(BootstrapGroup, "system:bootstrappers:") {
		t.Errorf("the group of bootstrap tokens is %s", BootstrapGroup)
	}
}
