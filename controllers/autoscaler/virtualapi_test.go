package autoscaler

import (
	"cmp"
	"context"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/k8sm/k8sm/controllers/drain"
)

// virtualAPI is an API server in memory that is fast enough for days of virtual time: readers
// share its objects, and a writer replaces them. Methods of the client that the autoscaler and
// the drain do not call are missing, and panic.
type virtualAPI struct {
	client.Client

	objects map[reflect.Type]map[client.ObjectKey]client.Object
	// sorted has the keys in order, nil where they have to be sorted again.
	sorted  map[reflect.Type][]client.ObjectKey
	version int
	// changed is called after each write.
	changed func(client.Object)
	// evict answers an eviction.
	evict func(*corev1.Pod) error
}

func newVirtualAPI() *virtualAPI {
	return &virtualAPI{objects: map[reflect.Type]map[client.ObjectKey]client.Object{}, sorted: map[reflect.Type][]client.ObjectKey{}}
}

// put stores an object in the place of the one of its name.
func (a *virtualAPI) put(object client.Object) {
	kind, key := reflect.TypeOf(object), client.ObjectKeyFromObject(object)
	if a.objects[kind] == nil {
		a.objects[kind] = map[client.ObjectKey]client.Object{}
	}
	if a.objects[kind][key] == nil {
		delete(a.sorted, kind)
	}
	a.version++
	object.SetResourceVersion(strconv.Itoa(a.version))
	a.objects[kind][key] = object
	a.changed(object)
}

// remove removes an object at once, whatever its finalizers.
func (a *virtualAPI) remove(object client.Object) {
	kind, key := reflect.TypeOf(object), client.ObjectKeyFromObject(object)
	if a.objects[kind][key] == nil {
		return
	}
	delete(a.objects[kind], key)
	delete(a.sorted, kind)
	a.changed(object)
}

// find returns the stored object, nil if there is none. It must not be changed.
func find[T client.Object](a *virtualAPI, namespace, name string) T {
	object, _ := a.objects[reflect.TypeFor[T]()][client.ObjectKey{Namespace: namespace, Name: name}].(T)
	return object
}

// all returns the stored objects of a kind by namespace and name. They must not be changed.
func all[T client.Object](a *virtualAPI) []T {
	kind := reflect.TypeFor[T]()
	out := make([]T, 0, len(a.objects[kind]))
	for _, key := range a.keys(kind) {
		out = append(out, a.objects[kind][key].(T))
	}
	return out
}

func (a *virtualAPI) keys(kind reflect.Type) []client.ObjectKey {
	if a.sorted[kind] == nil {
		for key := range a.objects[kind] {
			a.sorted[kind] = append(a.sorted[kind], key)
		}
		slices.SortFunc(a.sorted[kind], func(x, y client.ObjectKey) int {
			return cmp.Or(strings.Compare(x.Namespace, y.Namespace), strings.Compare(x.Name, y.Name))
		})
	}
	return a.sorted[kind]
}

// Get implements client.Reader.
func (a *virtualAPI) Get(_ context.Context, key client.ObjectKey, into client.Object, _ ...client.GetOption) error {
	object := a.objects[reflect.TypeOf(into)][key]
	if object == nil {
		return apierrors.NewNotFound(schema.GroupResource{Resource: fmt.Sprintf("%T", into)}, key.Name)
	}
	reflect.ValueOf(into).Elem().Set(reflect.ValueOf(object.DeepCopyObject()).Elem())
	return nil
}

// List implements client.Reader. Of all options it knows only the field by which a drain finds
// pods.
func (a *virtualAPI) List(_ context.Context, list client.ObjectList, options ...client.ListOption) error {
	o := client.ListOptions{}
	o.ApplyOptions(options)
	node, byNode := "", false
	if o.FieldSelector != nil {
		node, byNode = o.FieldSelector.RequiresExactMatch(drain.FieldNodeName)
	}
	items := reflect.ValueOf(list).Elem().FieldByName("Items")
	kind := reflect.PointerTo(items.Type().Elem())
	out := reflect.MakeSlice(items.Type(), 0, len(a.objects[kind]))
	for _, key := range a.keys(kind) {
		object := a.objects[kind][key]
		if pod, ok := object.(*corev1.Pod); byNode && (!ok || pod.Spec.NodeName != node) {
			continue
		}
		out = reflect.Append(out, reflect.ValueOf(object).Elem())
	}
	items.Set(out)
	return nil
}

// Patch implements client.Writer: all but the status becomes as in the object.
func (a *virtualAPI) Patch(_ context.Context, object client.Object, _ client.Patch, _ ...client.PatchOption) error {
	return a.patch(object, true)
}

func (a *virtualAPI) patch(object client.Object, keepStatus bool) error {
	before := a.objects[reflect.TypeOf(object)][client.ObjectKeyFromObject(object)]
	if before == nil {
		return apierrors.NewNotFound(schema.GroupResource{Resource: fmt.Sprintf("%T", object)}, object.GetName())
	}
	to, from := before.DeepCopyObject().(client.Object), object.DeepCopyObject().(client.Object)
	if keepStatus {
		to, from = from, to
	}
	reflect.ValueOf(to).Elem().FieldByName("Status").Set(reflect.ValueOf(from).Elem().FieldByName("Status"))
	a.put(to)
	object.SetResourceVersion(to.GetResourceVersion())
	return nil
}

// Status implements client.StatusClient.
func (a *virtualAPI) Status() client.SubResourceWriter { return virtualStatus{api: a} }

type virtualStatus struct {
	client.SubResourceWriter
	api *virtualAPI
}

func (s virtualStatus) Patch(_ context.Context, object client.Object, _ client.Patch, _ ...client.SubResourcePatchOption) error {
	return s.api.patch(object, false)
}
