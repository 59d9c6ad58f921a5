package v1alpha1

import (
	"reflect"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// objects are one of each kind.
func objects() []runtime.Object {
	return []runtime.Object{&MesosFramework{}, &MesosFrameworkList{}, &MesosNodePool{}, &MesosNodePoolList{}, &MesosNode{}, &MesosNodeList{}}
}

// special sets the types whose fields have a meaning together. It reports whether v is of one.
func special(v reflect.Value) bool {
	switch v.Interface().(type) {
	case resource.Quantity:
		v.Set(reflect.ValueOf(resource.MustParse("2Gi")))
	case metav1.Time:
		v.Set(reflect.ValueOf(metav1.NewTime(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))))
	case intstr.IntOrString:
		v.Set(reflect.ValueOf(intstr.FromString("10%")))
	case runtime.RawExtension:
		v.Set(reflect.ValueOf(runtime.RawExtension{Raw: []byte(`{"maxPods":30}`)}))
	case metav1.FieldsV1:
		v.Set(reflect.ValueOf(metav1.NewFieldsV1(`{}`)).Elem())
	default:
		return false
	}
	return true
}

// fill sets a value and everything below it, with one item in each list and map.
func fill(v reflect.Value) {
	if special(v) {
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem())
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(v.Index(0))
	case reflect.Map:
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		fill(key)
		fill(value)
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(key, value)
	case reflect.Struct:
		for i := range v.NumField() {
			fill(v.Field(i))
		}
	case reflect.String:
		v.SetString("a")
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int32, reflect.Int64:
		v.SetInt(7)
	case reflect.Uint8:
		v.SetUint(7)
	}
}

// shared returns the path of memory that two values have in common, "" for none.
func shared(a, b reflect.Value, path string) string {
	switch a.Kind() {
	case reflect.Pointer:
		if a.IsNil() || a.Type() == reflect.TypeFor[*time.Location]() {
			return ""
		}
		if a.Pointer() == b.Pointer() {
			return path
		}
		return shared(a.Elem(), b.Elem(), path)
	case reflect.Slice:
		if a.Len() > 0 && a.Pointer() == b.Pointer() {
			return path
		}
		for i := range a.Len() {
			if found := shared(a.Index(i), b.Index(i), path+"[]"); found != "" {
				return found
			}
		}
	case reflect.Map:
		if a.Len() > 0 && a.Pointer() == b.Pointer() {
			return path
		}
	case reflect.Struct:
		for i := range a.NumField() {
			if found := shared(a.Field(i), b.Field(i), path+"."+a.Type().Field(i).Name); found != "" {
				return found
			}
		}
	}
	return ""
}

// A controller changes copies of objects in the cache. A copy that shares memory with its
// original changes the cache.
func TestDeepCopiesShareNoMemory(t *testing.T) {
	for _, object := range objects() {
		fill(reflect.ValueOf(object).Elem())
		copied := object.DeepCopyObject()
		if !equality.Semantic.DeepEqual(object, copied) {
			t.Errorf("the copy of %T differs: %+v", object, copied)
		}
		if path := shared(reflect.ValueOf(object).Elem(), reflect.ValueOf(copied).Elem(), reflect.TypeOf(object).Elem().Name()); path != "" {
			t.Errorf("the copy shares %s with the original", path)
		}
	}
}

func TestDeepCopiesOfEmptyObjectsAreEmpty(t *testing.T) {
	for _, object := range objects() {
		if copied := object.DeepCopyObject(); !reflect.DeepEqual(object, copied) {
			t.Errorf("the copy of an empty %T is %+v", object, copied)
		}
	}
	var none *MesosNodePool
	if none.DeepCopy() != nil || none.DeepCopyObject() != nil {
		t.Error("the copy of nil is not nil")
	}
}

// The copy of NodeTemplateMetadata is written by hand.
func TestCopyOfTemplateMetadata(t *testing.T) {
	given := NodeTemplateMetadata{Labels: map[string]LabelValue{"a": "b"}, Annotations: map[string]string{"c": "d"}}
	var copied NodeTemplateMetadata
	given.DeepCopyInto(&copied)
	copied.Labels["a"], copied.Annotations["c"] = "x", "y"
	if given.Labels["a"] != "b" || given.Annotations["c"] != "d" {
		t.Errorf("the original has changed to %+v", given)
	}
	(&NodeTemplateMetadata{}).DeepCopyInto(&copied)
	if copied.Labels != nil || copied.Annotations != nil {
		t.Errorf("the copy of nothing is %+v", copied)
	}
}
