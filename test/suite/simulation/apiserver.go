package simulation

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	jsonpatch "github.com/evanphx/json-patch/v5"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// apiServer stores objects as a Kubernetes API server does: with revisions, generations,
// preconditions, finalizers, graceful deletion of pods, and evictions. Stored objects are
// replaced and never modified, so that readers can share them.
type apiServer struct {
	seed uint64

	mu       sync.Mutex
	tables   map[kind]map[client.ObjectKey]client.Object
	revision uint64
	uids     uint64
	watches  map[kind][]*watch
	// changed is called with each change, under the lock.
	changed func(change)
}

// change is one write that took effect. Before is nil for a new object, after for a
// deleted one.
type change struct {
	actor         string
	kind          kind
	before, after client.Object
}

// watch gets the changes of one kind, under the lock.
type watch struct{ take func(change) }

func newAPIServer(seed uint64) *apiServer {
	return &apiServer{
		seed:    seed,
		tables:  map[kind]map[client.ObjectKey]client.Object{},
		watches: map[kind][]*watch{},
		changed: func(change) {},
	}
}

func notFound(k kind, name string) error {
	return apierrors.NewNotFound(schema.GroupResource{Resource: string(k)}, name)
}

func conflict(k kind, name, why string) error {
	return apierrors.NewConflict(schema.GroupResource{Resource: string(k)}, name, fmt.Errorf("%s", why))
}

// peek returns the current object, nil if there is none. The lock must be held.
func (s *apiServer) peek(k kind, name string) client.Object {
	return s.tables[k][client.ObjectKey{Name: name}]
}

// get returns an object, which must not be modified.
func (s *apiServer) get(k kind, key client.ObjectKey) (client.Object, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if o := s.tables[k][key]; o != nil {
		return o, nil
	}
	return nil, notFound(k, key.Name)
}

// list returns the objects of a kind, sorted by name. They must not be modified.
func (s *apiServer) list(k kind) []client.Object {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sorted(k)
}

func (s *apiServer) sorted(k kind) []client.Object {
	return sortedObjects(s.tables[k])
}

func sortedObjects(objects map[client.ObjectKey]client.Object) []client.Object {
	out := make([]client.Object, 0, len(objects))
	for _, o := range objects {
		out = append(out, o)
	}
	slices.SortFunc(out, byKey)
	return out
}

func byKey(a, b client.Object) int {
	return cmp.Or(strings.Compare(a.GetNamespace(), b.GetNamespace()), strings.Compare(a.GetName(), b.GetName()))
}

// subscribe lists a kind, and calls take with each later change.
func (s *apiServer) subscribe(k kind, take func(change)) (*watch, []client.Object) {
	s.mu.Lock()
	defer s.mu.Unlock()
	w := &watch{take: take}
	s.watches[k] = append(s.watches[k], w)
	return w, s.sorted(k)
}

// unsubscribe ends a subscription.
func (s *apiServer) unsubscribe(k kind, w *watch) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.watches[k] = slices.DeleteFunc(s.watches[k], func(other *watch) bool { return other == w })
}

// commit stores a change and calls the subscribers.
func (s *apiServer) commit(actor string, k kind, before, after client.Object) {
	s.revision++
	if after != nil {
		roundTimes(after)
		after.SetResourceVersion(strconv.FormatUint(s.revision, 10))
		if s.tables[k] == nil {
			s.tables[k] = map[client.ObjectKey]client.Object{}
		}
		s.tables[k][client.ObjectKeyFromObject(after)] = after
	} else {
		last := deepCopy(before)
		last.SetResourceVersion(strconv.FormatUint(s.revision, 10))
		before = last
		delete(s.tables[k], client.ObjectKeyFromObject(before))
	}
	c := change{actor, k, before, after}
	s.changed(c)
	for _, w := range s.watches[k] {
		w.take(c)
	}
}

// create stores a new object.
func (s *apiServer) create(actor string, given client.Object) (client.Object, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	k, key := kindOf(given), client.ObjectKeyFromObject(given)
	if s.tables[k][key] != nil {
		return nil, apierrors.NewAlreadyExists(schema.GroupResource{Resource: string(k)}, key.Name)
	}
	o := deepCopy(given)
	s.uids++
	o.SetUID(types.UID(fmt.Sprintf("%08x-0000-4000-8000-%012x", uint32(mix(s.seed^mix(s.uids))), s.uids)))
	o.SetCreationTimestamp(metav1.NewTime(time.Now().Truncate(time.Second).UTC()))
	o.SetGeneration(1)
	s.commit(actor, k, nil, o)
	return o, nil
}

// write is the requested new state of an object.
type write struct {
	kind kind
	key  client.ObjectKey
	// version that the object must have, if it is not empty.
	version string
	// status is set if only the status is written. Otherwise the status is kept.
	status bool
	change func(client.Object) (client.Object, error)
}

// update calls change with a copy of the object, and stores the result.
func (s *apiServer) update(actor string, w write) (client.Object, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	old := s.tables[w.kind][w.key]
	if old == nil {
		return nil, notFound(w.kind, w.key.Name)
	}
	if w.version != "" && w.version != old.GetResourceVersion() {
		return nil, conflict(w.kind, w.key.Name, "the object has been modified")
	}
	wanted, err := w.change(deepCopy(old))
	if err != nil {
		return nil, err
	}
	next := deepCopy(old)
	switch {
	case w.status:
		part(next, "Status").Set(part(wanted, "Status"))
	case w.kind.hasStatus():
		part(wanted, "Status").Set(part(next, "Status"))
		next = wanted
	default:
		next = wanted
	}
	s.keepProtected(next, old, w.status)
	if w.kind != kindLease && isUnchanged(next, old, w.status) {
		return old, nil
	}
	if !old.GetDeletionTimestamp().IsZero() && len(next.GetFinalizers()) == 0 && w.kind != kindPod {
		s.commit(actor, w.kind, next, nil)
		return next, nil
	}
	s.commit(actor, w.kind, old, next)
	return next, nil
}

// keepProtected restores the fields that clients cannot change.
func (s *apiServer) keepProtected(next, old client.Object, status bool) {
	next.SetUID(old.GetUID())
	next.SetCreationTimestamp(old.GetCreationTimestamp())
	next.SetDeletionTimestamp(old.GetDeletionTimestamp())
	next.SetResourceVersion(old.GetResourceVersion())
	next.SetGeneration(old.GetGeneration())
	if !status && !equalField(next, old, "Spec") {
		next.SetGeneration(old.GetGeneration() + 1)
	}
}

// isUnchanged reports whether a write changes nothing.
func isUnchanged(next, old client.Object, status bool) bool {
	if status {
		return equalField(next, old, "Status")
	}
	return equalField(next, old, "ObjectMeta") && equalField(next, old, "Spec") && equalField(next, old, "Data")
}

// equalField reports whether two objects have equal values in a field, or no such field.
func equalField(a, b client.Object, field string) bool {
	v := part(a, field)
	return !v.IsValid() || equality.Semantic.DeepEqual(v.Interface(), part(b, field).Interface())
}

// merge applies a JSON merge patch.
func merge(patch []byte) func(client.Object) (client.Object, error) {
	return func(o client.Object) (client.Object, error) {
		was, err := json.Marshal(o)
		if err != nil {
			return nil, err
		}
		is, err := jsonpatch.MergePatch(was, patch)
		if err != nil {
			return nil, err
		}
		out := deepCopy(o)
		part(out, "ObjectMeta").SetZero()
		for _, field := range []string{"Spec", "Status"} {
			if f := part(out, field); f.IsValid() {
				f.SetZero()
			}
		}
		return out, json.Unmarshal(is, out)
	}
}

// remove deletes an object. It only sets the deletion timestamp if the object has
// finalizers, or is a running pod, which its kubelet ends.
func (s *apiServer) remove(actor string, k kind, key client.ObjectKey, uid types.UID) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	old := s.tables[k][key]
	if old == nil {
		return notFound(k, key.Name)
	}
	if uid != "" && uid != old.GetUID() {
		return conflict(k, key.Name, "the UID is another")
	}
	s.end(actor, k, old)
	return nil
}

func (s *apiServer) end(actor string, k kind, old client.Object) {
	bound := k == kindPod && old.(*corev1.Pod).Spec.NodeName != ""
	if len(old.GetFinalizers()) == 0 && !bound {
		s.commit(actor, k, old, nil)
		return
	}
	if !old.GetDeletionTimestamp().IsZero() {
		return
	}
	next := deepCopy(old)
	now := metav1.NewTime(time.Now().Truncate(time.Second).UTC())
	next.SetDeletionTimestamp(&now)
	next.SetGeneration(old.GetGeneration() + 1)
	s.commit(actor, k, old, next)
}

// finish removes a pod that has ended, or an object in spite of its finalizers.
func (s *apiServer) finish(actor string, k kind, key client.ObjectKey, uid types.UID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if old := s.tables[k][key]; old != nil && old.GetUID() == uid {
		s.commit(actor, k, old, nil)
	}
}

// evict deletes a pod if the PodDisruptionBudgets of its namespace allow it.
func (s *apiServer) evict(actor string, key client.ObjectKey, uid types.UID) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	o := s.tables[kindPod][key]
	if o == nil {
		return notFound(kindPod, key.Name)
	}
	if uid != "" && uid != o.GetUID() {
		return conflict(kindPod, key.Name, "the UID is another")
	}
	if s.budget(key.Namespace) <= 0 && podHealthy(o.(*corev1.Pod)) {
		err := apierrors.NewTooManyRequests("Cannot evict pod as it would violate the pod's disruption budget.", 0)
		err.ErrStatus.Details.Causes = append(err.ErrStatus.Details.Causes, metav1.StatusCause{
			Type: policyv1.DisruptionBudgetCause, Message: "The disruption budget does not allow it now.",
		})
		return err
	}
	s.end(actor, kindPod, o)
	return nil
}

// budget returns the number of pods of a namespace that may be evicted now. Each
// PodDisruptionBudget selects all pods of its namespace.
func (s *apiServer) budget(namespace string) int {
	allowed := 1 << 30
	for key, o := range s.tables[kindPDB] {
		if key.Namespace == namespace {
			allowed = min(allowed, s.healthy(namespace)-o.(*policyv1.PodDisruptionBudget).Spec.MinAvailable.IntValue())
		}
	}
	return allowed
}

func (s *apiServer) healthy(namespace string) int {
	n := 0
	for key, o := range s.tables[kindPod] {
		if key.Namespace == namespace && podHealthy(o.(*corev1.Pod)) {
			n++
		}
	}
	return n
}

// podHealthy reports whether a pod counts as healthy for its budget.
func podHealthy(p *corev1.Pod) bool {
	return p.DeletionTimestamp.IsZero() && p.Status.Phase == corev1.PodRunning
}
