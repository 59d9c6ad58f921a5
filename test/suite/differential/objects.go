package differential

import (
	"context"
	"errors"
	"fmt"
	"sync"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"
)

// creator creates objects of a kind.
type creator[T any] interface {
	Create(context.Context, T, metav1.CreateOptions) (T, error)
}

// create creates objects concurrently, the last one after all others, and passes the created objects
// to take.
func create[T runtime.Object](ctx context.Context, objects []T, how func(T) creator[T], take func(runtime.Object) error) error {
	made, errs := make([]T, len(objects)), make([]error, len(objects))
	one := func(i int) { made[i], errs[i] = how(objects[i]).Create(ctx, objects[i], metav1.CreateOptions{}) }
	var creating sync.WaitGroup
	for i := range len(objects) - 1 {
		creating.Go(func() { one(i) })
	}
	creating.Wait()
	if len(objects) > 0 {
		one(len(objects) - 1)
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("creating objects: %w", err)
	}
	for _, object := range made {
		if err := take(object); err != nil {
			return err
		}
	}
	return nil
}

// clusterScoped returns the creator for a kind without namespaces.
func clusterScoped[T any](c creator[T]) func(T) creator[T] { return func(T) creator[T] { return c } }

// availableVolumes marks volumes without a claim as available.
type availableVolumes struct{ kubernetes.Interface }

// Create creates a volume.
func (v availableVolumes) Create(ctx context.Context, volume *corev1.PersistentVolume, o metav1.CreateOptions) (*corev1.PersistentVolume, error) {
	created, err := v.CoreV1().PersistentVolumes().Create(ctx, volume, o)
	if err != nil || created.Spec.ClaimRef != nil {
		return created, err
	}
	created.Status.Phase = corev1.VolumeAvailable
	return v.CoreV1().PersistentVolumes().UpdateStatus(ctx, created, metav1.UpdateOptions{})
}

// createScenario creates the existing objects, those that restrict pods before the nodes, and adds
// them to the simulation.
func (t *trial) createScenario(ctx context.Context) error {
	core, storage, s := t.client.CoreV1(), t.client.StorageV1(), t.scenario
	for _, step := range []func() error{
		func() error { return create(ctx, s.Namespaces, clusterScoped(core.Namespaces()), t.cluster.SetObject) },
		func() error {
			return create(ctx, s.Classes, clusterScoped(storage.StorageClasses()), t.cluster.SetObject)
		},
		func() error { return create(ctx, s.CSINodes, clusterScoped(storage.CSINodes()), t.cluster.SetObject) },
		func() error {
			return create(ctx, s.Volumes, clusterScoped(availableVolumes{t.client}), t.cluster.SetObject)
		},
		func() error {
			return create(ctx, s.Claims, func(c *corev1.PersistentVolumeClaim) creator[*corev1.PersistentVolumeClaim] {
				return core.PersistentVolumeClaims(c.Namespace)
			}, t.cluster.SetObject)
		},
		func() error { return t.createNodes(ctx, s.Nodes) },
		func() error {
			return create(ctx, s.Existing, func(p *corev1.Pod) creator[*corev1.Pod] { return core.Pods(p.Namespace) }, func(o runtime.Object) error {
				return t.cluster.AddPod(o.(*corev1.Pod))
			})
		},
	} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

func (t *trial) createNodes(ctx context.Context, nodes []*corev1.Node) error {
	return create(ctx, nodes, clusterScoped(t.client.CoreV1().Nodes()), func(o runtime.Object) error {
		t.cluster.AddNode(o.(*corev1.Node))
		return nil
	})
}

// learnVolumes updates the simulation with the state of a pod's claims.
func (t *trial) learnVolumes(ctx context.Context, pod *corev1.Pod) error {
	core := t.client.CoreV1()
	for _, v := range pod.Spec.Volumes {
		if v.PersistentVolumeClaim == nil {
			continue
		}
		claim, err := core.PersistentVolumeClaims(pod.Namespace).Get(ctx, v.PersistentVolumeClaim.ClaimName, metav1.GetOptions{})
		if err != nil {
			return fmt.Errorf("getting a claim: %w", err)
		}
		volume, err := core.PersistentVolumes().Get(ctx, claim.Spec.VolumeName, metav1.GetOptions{})
		if err != nil {
			return fmt.Errorf("getting the volume of claim %s: %w", claim.Name, err)
		}
		if err := errors.Join(t.cluster.SetObject(claim), t.cluster.SetObject(volume)); err != nil {
			return err
		}
	}
	return nil
}

// clean deletes all objects of the scenario.
func (t *trial) clean(ctx context.Context) error {
	core, storage := t.client.CoreV1(), t.client.StorageV1()
	now, ours := metav1.NewDeleteOptions(0), metav1.ListOptions{LabelSelector: seedKey + "=" + t.scenario.name()}
	var errs []error
	for _, namespace := range t.scenario.Namespaces {
		errs = append(errs,
			core.Pods(namespace.Name).DeleteCollection(ctx, *now, metav1.ListOptions{}),
			core.PersistentVolumeClaims(namespace.Name).DeleteCollection(ctx, *now, metav1.ListOptions{}),
			core.Namespaces().Delete(ctx, namespace.Name, *now))
		// It is empty: there is no controller to find that out.
		_, err := core.Namespaces().Finalize(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace.Name}}, metav1.UpdateOptions{})
		errs = append(errs, err)
	}
	errs = append(errs,
		core.Nodes().DeleteCollection(ctx, *now, ours), core.PersistentVolumes().DeleteCollection(ctx, *now, ours),
		storage.StorageClasses().DeleteCollection(ctx, *now, ours), storage.CSINodes().DeleteCollection(ctx, *now, ours))
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("deleting the scenario: %w", err)
	}
	return nil
}
