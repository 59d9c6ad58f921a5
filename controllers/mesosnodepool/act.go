package mesosnodepool

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/k8sm/k8sm/api/v1alpha1"
)

// parallel bounds how many calls a pass makes at a time.
const parallel = 10

// act does the first batch of the plan. What was done is told even if not all could be.
func (r *Reconciler) act(ctx context.Context, pool *v1alpha1.MesosNodePool, plan Plan) error {
	victims := plan.Delete[:min(len(plan.Delete), batch)]
	size := Size{Resources: pool.Spec.Template.Spec.Resources}
	_, errCreate := r.Create(ctx, pool, slices.Repeat([]Size{size}, min(plan.Create, batch)))
	_, errRemove := r.Remove(ctx, pool, victims)
	return errors.Join(errCreate, errRemove)
}

// Create creates a node of each of the sizes, in the pool, and tells of it. The names are
// those of the nodes that were created, "" in the place of one that was not.
func (r *Reconciler) Create(ctx context.Context, pool *v1alpha1.MesosNodePool, sizes []Size) (names []string, err error) {
	names = make([]string, len(sizes))
	created, err := inParallel(len(sizes), func(i int) error {
		name, err := r.create(ctx, pool, sizes[i])
		names[i] = name
		return err
	})
	r.toldCreated(pool, created)
	return names, err
}

// Remove deletes nodes of the pool, and tells of it. Their own controller drains and
// releases them.
func (r *Reconciler) Remove(ctx context.Context, pool *v1alpha1.MesosNodePool, nodes []*v1alpha1.MesosNode) (removed int, err error) {
	removed, err = inParallel(len(nodes), func(i int) error { return r.remove(ctx, pool, nodes[i]) })
	r.toldRemoved(pool, removed)
	return removed, err
}

// Size is what one node of a pool is to be.
type Size struct {
	// Shape is the name of the template's shape; empty if the template has none.
	Shape string
	// Resources that the node takes from one agent.
	Resources v1alpha1.NodeResources
	// Zone whose agents alone may hold the node; empty for any.
	Zone string
}

// create creates one node. It is expected before the API server is asked, and only a
// plain refusal takes that back: if the answer is lost the node may be there.
func (r *Reconciler) create(ctx context.Context, pool *v1alpha1.MesosNodePool, size Size) (name string, err error) {
	node := NewNode(pool, pool.Name+"-"+r.suffix(), size)
	if err := controllerutil.SetControllerReference(pool, node, r.Client.Scheme()); err != nil {
		return "", fmt.Errorf("owning MesosNode %s: %w", node.Name, err)
	}
	r.expectations.create(pool.Name, node.Name, r.Now())
	if err := r.Client.Create(ctx, node); err != nil {
		if refused(err) {
			r.expectations.drop(pool.Name, expectation{name: node.Name})
		}
		return "", fmt.Errorf("creating MesosNode %s: %w", node.Name, err)
	}
	return node.Name, nil
}

// NewNode is a node as the pool's template has it now, of the given size.
func NewNode(pool *v1alpha1.MesosNodePool, name string, size Size) *v1alpha1.MesosNode {
	spec := pool.Spec.DeepCopy()
	spec.Template.Spec.Resources = *size.Resources.DeepCopy()
	spec.Template.Spec.Shapes = nil
	if size.Zone != "" {
		spec.Placement.Constraints = append(spec.Placement.Constraints,
			v1alpha1.AgentConstraint{Attribute: "@zone", Operator: v1alpha1.ConstraintIn, Values: []string{size.Zone}})
	}
	node := &v1alpha1.MesosNode{
		ObjectMeta: metav1.ObjectMeta{
			Name:       name,
			Finalizers: []string{v1alpha1.FinalizerRelease},
			Labels: map[string]string{
				v1alpha1.LabelPool:      pool.Name,
				v1alpha1.LabelFramework: spec.FrameworkRef.Name,
			},
		},
		Spec: v1alpha1.MesosNodeSpec{
			FrameworkRef: spec.FrameworkRef,
			Template:     spec.Template,
			Placement:    spec.Placement,
			Drain:        spec.Drain,
		},
	}
	if size.Shape != "" {
		node.Labels[v1alpha1.LabelShape] = size.Shape
	}
	return node
}

// remove deletes one node; its own controller drains and releases it.
func (r *Reconciler) remove(ctx context.Context, pool *v1alpha1.MesosNodePool, node *v1alpha1.MesosNode) error {
	r.expectations.remove(pool.Name, node.Name, node.UID, r.Now())
	uid := node.UID
	err := r.Client.Delete(ctx, node.DeepCopy(), client.Preconditions{UID: &uid})
	if client.IgnoreNotFound(err) == nil {
		return nil
	}
	if refused(err) {
		r.expectations.drop(pool.Name, expectation{name: node.Name, uid: node.UID})
	}
	return fmt.Errorf("deleting MesosNode %s: %w", node.Name, err)
}

// refused tells whether the API server answered that it did not do what it was asked.
// After a time-out, or no answer at all, it may have.
func refused(err error) bool {
	return apierrors.IsAlreadyExists(err) || apierrors.IsInvalid(err) || apierrors.IsForbidden(err) ||
		apierrors.IsBadRequest(err) || apierrors.IsNotFound(err) || apierrors.IsConflict(err) ||
		apierrors.IsTooManyRequests(err) || apierrors.IsUnauthorized(err) || apierrors.IsMethodNotSupported(err)
}

// inParallel calls do for 0 to n-1, a few at a time, and counts the successes. After the
// first failure it begins no more: the rest would most likely fail alike.
func inParallel(n int, do func(int) error) (done int, err error) {
	var (
		mu   sync.Mutex
		next int
		wg   sync.WaitGroup
	)
	take := func() (int, bool) {
		mu.Lock()
		defer mu.Unlock()
		if next >= n || err != nil {
			return 0, false
		}
		next++
		return next - 1, true
	}
	for range min(n, parallel) {
		wg.Go(func() {
			for i, ok := take(); ok; i, ok = take() {
				failed := do(i)
				mu.Lock()
				if failed == nil {
					done++
				}
				err = errors.Join(err, failed)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return done, err
}
