package simulation

import (
	"context"
	"errors"
	"net/url"
	"reflect"
	"strings"
	"syscall"
	"time"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"
)

// errNotModelled is returned for calls that the product does not make.
var errNotModelled = errors.New("simulation: the API server model does not know this call")

// apiConnection transports a process' calls to the API server. Each call is delayed, may fail
// before or after its effect, and may be the last one before the process crashes.
type apiConnection struct {
	process *process
	server  *apiServer
	// fence, if not nil, is asked before each write.
	fence func(context.Context) error
}

// call makes one call. about names the object, for the trace and for random decisions.
func (w *apiConnection) call(ctx context.Context, verb, about string, writes bool, do func() error) error {
	world, what := w.process.world, verb+" "+about
	before, behind := false, false
	if !strings.Contains(about, string(kindLease)) { // renewals are half of all writes, and would hide the others
		before, behind = w.process.countMessage(what)
	}
	if before {
		return errPoweredOff
	}
	fate := world.conditions.apiCallOutcome(world.rng.of(w.process.name+" "+what), writes)
	if err := w.request(ctx, fate, writes); err != nil {
		return err
	}
	err := fate.before
	if err == nil {
		err = do()
	}
	if (writes || fate.before != nil) && err != nil {
		world.trace.add(w.process.name, "%s: %v", what, err)
	}
	if behind {
		w.process.powerOff("behind " + what)
		return errPoweredOff
	}
	if fate.after != nil && err == nil {
		world.trace.add(w.process.name, "%s: the answer is lost", what)
		err = fate.after
	}
	return w.answer(ctx, fate, err)
}

// request delays a call on its way to the API server. A write that was sent takes effect
// even if its caller no longer waits for the answer.
func (w *apiConnection) request(ctx context.Context, f callOutcome, writes bool) error {
	if err := w.process.waitWhileFrozen(); err != nil {
		return err
	}
	if writes && w.fence != nil {
		if err := w.fence(ctx); err != nil {
			return err
		}
	}
	if err := sleep(ctx, f.request); err != nil && !writes {
		return err
	}
	if w.process.isOff() {
		return errPoweredOff
	}
	return nil
}

// answer delays the answer.
func (w *apiConnection) answer(ctx context.Context, f callOutcome, err error) error {
	if late := sleep(ctx, f.answer); late != nil {
		return late
	}
	if off := w.process.waitWhileFrozen(); off != nil {
		return off
	}
	return err
}

// connectionError is the error of a client whose connection is refused.
func connectionError(verb string) error {
	return &url.Error{Op: verb, URL: "https://kubernetes", Err: syscall.ECONNREFUSED}
}

// serverErrors are answers of an overloaded API server to calls that had no effect.
var serverErrors = []error{
	apierrors.NewInternalError(errors.New("etcdserver: leader changed")),
	apierrors.NewTooManyRequests("too many requests", 1),
	apierrors.NewServerTimeout(schema.GroupResource{Resource: "any"}, "any", 1),
	connectionError("any"),
}

func name(k kind, key client.ObjectKey) string { return string(k) + " " + key.Name }

// apiClient reads from the API server and writes to it.
type apiClient struct {
	apiConnection
	scheme *runtime.Scheme
	mapper meta.RESTMapper
	// readsFrom is read instead of the API server, if it is not nil.
	readsFrom client.Reader
}

func (l *apiClient) Get(ctx context.Context, key client.ObjectKey, into client.Object, opts ...client.GetOption) error {
	if l.readsFrom != nil {
		return l.readsFrom.Get(ctx, key, into, opts...)
	}
	k := kindOf(into)
	return l.call(ctx, "get", name(k, key), false, func() error {
		found, err := l.server.get(k, key)
		if err == nil {
			fill(into, deepCopy(found))
		}
		return err
	})
}

func (l *apiClient) List(ctx context.Context, into client.ObjectList, opts ...client.ListOption) error {
	if l.readsFrom != nil {
		return l.readsFrom.List(ctx, into, opts...)
	}
	k := kindOf(into)
	return l.call(ctx, "list", string(k), false, func() error {
		return list(into, l.server.list(k), podField, opts)
	})
}

// podField is the only field selector that the API server supports.
func podField(o client.Object, field string) []string {
	if p, ok := o.(*corev1.Pod); ok && field == "spec.nodeName" {
		return []string{p.Spec.NodeName}
	}
	return nil
}

// list fills a list with the objects that the options select.
func list(into client.ObjectList, objects []client.Object, values func(client.Object, string) []string, opts []client.ListOption) error {
	o := client.ListOptions{}
	o.ApplyOptions(opts)
	var out []client.Object
	for _, object := range objects {
		if selected(object, &o, values) {
			out = append(out, object)
		}
	}
	fillList(into, out, o.UnsafeDisableDeepCopy != nil && *o.UnsafeDisableDeepCopy)
	return nil
}

func selected(object client.Object, o *client.ListOptions, values func(client.Object, string) []string) bool {
	if o.Namespace != "" && o.Namespace != object.GetNamespace() ||
		o.LabelSelector != nil && !o.LabelSelector.Matches(labelsOf(object)) {
		return false
	}
	if o.FieldSelector == nil {
		return true
	}
	for _, r := range o.FieldSelector.Requirements() {
		found := false
		for _, v := range values(object, r.Field) {
			found = found || v == r.Value
		}
		if !found {
			return false
		}
	}
	return true
}

func (l *apiClient) Create(ctx context.Context, given client.Object, _ ...client.CreateOption) error {
	k := kindOf(given)
	return l.call(ctx, "create", name(k, client.ObjectKeyFromObject(given)), true, func() error {
		made, err := l.server.create(l.process.name, given)
		if err == nil {
			fill(given, deepCopy(made))
		}
		return err
	})
}

func (l *apiClient) Delete(ctx context.Context, given client.Object, opts ...client.DeleteOption) error {
	k, key := kindOf(given), client.ObjectKeyFromObject(given)
	o := client.DeleteOptions{}
	o.ApplyOptions(opts)
	var uid types.UID
	if o.Preconditions != nil && o.Preconditions.UID != nil {
		uid = *o.Preconditions.UID
	}
	return l.call(ctx, "delete", name(k, key), true, func() error {
		return l.server.remove(l.process.name, k, key, uid)
	})
}

func (l *apiClient) Update(ctx context.Context, given client.Object, _ ...client.UpdateOption) error {
	return l.replace(ctx, "update", given, false)
}

func (l *apiClient) Patch(ctx context.Context, given client.Object, patch client.Patch, _ ...client.PatchOption) error {
	return l.patch(ctx, "patch", given, patch, false)
}

func (l *apiClient) replace(ctx context.Context, verb string, given client.Object, status bool) error {
	w := write{
		kind: kindOf(given), key: client.ObjectKeyFromObject(given), version: given.GetResourceVersion(), status: status,
		change: func(client.Object) (client.Object, error) { return deepCopy(given), nil },
	}
	return l.update(ctx, verb, given, w)
}

// patch applies a merge patch. One with a resource version has the same precondition as an
// update.
func (l *apiClient) patch(ctx context.Context, verb string, given client.Object, patch client.Patch, status bool) error {
	if patch.Type() != types.MergePatchType {
		return errNotModelled
	}
	if locks(patch) {
		return l.replace(ctx, verb, given, status)
	}
	data, err := patch.Data(given)
	if err != nil {
		return err
	}
	w := write{kind: kindOf(given), key: client.ObjectKeyFromObject(given), status: status, change: merge(data)}
	return l.update(ctx, verb, given, w)
}

// locks reports whether a patch has an optimistic lock.
func locks(patch client.Patch) bool {
	if v := reflect.ValueOf(patch); v.Kind() == reflect.Pointer {
		if opts := v.Elem().FieldByName("opts"); opts.IsValid() {
			return opts.FieldByName("OptimisticLock").Bool()
		}
	}
	return false
}

func (l *apiClient) update(ctx context.Context, verb string, given client.Object, w write) error {
	return l.call(ctx, verb, name(w.kind, w.key), true, func() error {
		written, err := l.server.update(l.process.name, w)
		if err == nil {
			fill(given, deepCopy(written))
		}
		return err
	})
}

func (l *apiClient) DeleteAllOf(context.Context, client.Object, ...client.DeleteAllOfOption) error {
	return errNotModelled
}

func (l *apiClient) Apply(context.Context, runtime.ApplyConfiguration, ...client.ApplyOption) error {
	return errNotModelled
}

func (l *apiClient) Scheme() *runtime.Scheme     { return l.scheme }
func (l *apiClient) RESTMapper() meta.RESTMapper { return l.mapper }

func (l *apiClient) GroupVersionKindFor(o runtime.Object) (schema.GroupVersionKind, error) {
	return apiutil.GVKForObject(o, l.scheme)
}

func (l *apiClient) IsObjectNamespaced(o runtime.Object) (bool, error) {
	return apiutil.IsObjectNamespaced(o, l.scheme, l.mapper)
}

func (l *apiClient) Status() client.SubResourceWriter { return l.SubResource("status") }

func (l *apiClient) SubResource(of string) client.SubResourceClient { return &subresource{l, of} }

// subresource is a resource below an object: status, approval or eviction.
type subresource struct {
	*apiClient
	of string
}

func (s *subresource) Get(context.Context, client.Object, client.Object, ...client.SubResourceGetOption) error {
	return errNotModelled
}

func (s *subresource) Create(ctx context.Context, given client.Object, body client.Object, _ ...client.SubResourceCreateOption) error {
	eviction, ok := body.(*policyv1.Eviction)
	if !ok {
		return errNotModelled
	}
	key := client.ObjectKeyFromObject(given)
	var uid types.UID
	if o := eviction.DeleteOptions; o != nil && o.Preconditions != nil && o.Preconditions.UID != nil {
		uid = *o.Preconditions.UID
	}
	return s.call(ctx, "evict", name(kindPod, key), true, func() error {
		return s.server.evict(s.process.name, key, uid)
	})
}

func (s *subresource) Update(ctx context.Context, given client.Object, _ ...client.SubResourceUpdateOption) error {
	return s.replace(ctx, s.of, given, true)
}

func (s *subresource) Patch(ctx context.Context, given client.Object, patch client.Patch, _ ...client.SubResourcePatchOption) error {
	return s.patch(ctx, s.of, given, patch, true)
}

func (s *subresource) Apply(context.Context, runtime.ApplyConfiguration, ...client.SubResourceApplyOption) error {
	return errNotModelled
}

// now returns the virtual time in whole seconds, as objects have it.
func now() metav1.Time { return metav1.NewTime(time.Now().Truncate(time.Second).UTC()) }

type labelSet map[string]string

func (l labelSet) Has(label string) bool   { _, ok := l[label]; return ok }
func (l labelSet) Get(label string) string { return l[label] }
func (l labelSet) Lookup(label string) (string, bool) {
	v, ok := l[label]
	return v, ok
}

func labelsOf(o client.Object) labelSet { return o.GetLabels() }
