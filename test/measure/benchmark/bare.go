package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/k8sm/k8sm/api/v1alpha1"
)

// bareStreams is the number of nodes that the bare client writes concurrently.
const bareStreams = 32

// bareClient makes as many writes of each kind as were counted, and nothing else: no watches, no
// decisions. Its time is the minimum for the same writes on this API server.
func (c *cluster) bareClient(ctx context.Context, nodes int, counted requests) (time.Duration, error) {
	start := time.Now()
	err := inStreams(nodes, func(i int) error { return c.bareNode(ctx, i, nodes, counted) })
	return time.Since(start), err
}

// inStreams calls do for each index below n, bareStreams of them at a time.
func inStreams(n int, do func(int) error) error {
	work := make(chan int)
	errs := make([]error, bareStreams)
	var wg sync.WaitGroup
	for stream := range bareStreams {
		wg.Go(func() {
			for i := range work {
				if errs[stream] == nil {
					errs[stream] = do(i)
				}
			}
		})
	}
	for i := range n {
		work <- i
	}
	close(work)
	wg.Wait()
	return errors.Join(errs...)
}

// bareNode makes the writes of one node: first creations, then changes, then deletions.
func (c *cluster) bareNode(ctx context.Context, i, nodes int, counted requests) error {
	// share spreads n requests over the nodes evenly: the i-th makes this many.
	share := func(verb, resource string) int {
		n := counted[request{verb, resource}]
		return n*(i+1)/nodes - n*i/nodes
	}
	objects := bareObjects(i)
	for resource, object := range objects {
		if share("POST", resource) == 0 {
			continue
		}
		if err := c.client.Create(ctx, object); err != nil {
			return fmt.Errorf("creating %s: %w", resource, err)
		}
		for range share("PATCH", resource) + share("PUT", resource) {
			if err := c.client.Patch(ctx, object, changePatch(object)); err != nil {
				return fmt.Errorf("patching %s: %w", resource, err)
			}
		}
		for range share("PATCH", resource+"/status") + share("PUT", resource+"/status") {
			if err := c.client.Status().Patch(ctx, object, changePatch(object)); err != nil {
				return fmt.Errorf("patching the status of %s: %w", resource, err)
			}
		}
		if share("DELETE", resource) > 0 {
			if err := c.client.Delete(ctx, object); err != nil {
				return fmt.Errorf("deleting %s: %w", resource, err)
			}
		}
	}
	return nil
}

func bareObjects(i int) map[string]client.Object {
	name := fmt.Sprintf("bare-%d", i)
	meta := metav1.ObjectMeta{Name: name}
	return map[string]client.Object{
		"mesosnodes": &v1alpha1.MesosNode{ObjectMeta: meta, Spec: v1alpha1.MesosNodeSpec{
			FrameworkRef: v1alpha1.FrameworkReference{Name: "none"},
			Template:     newPool(name, 1).Spec.Template,
		}},
		"nodes":   &corev1.Node{ObjectMeta: meta},
		"secrets": &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "default"}},
		"events": &eventsv1.Event{
			ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "default"},
			EventTime:  metav1.NowMicro(), Action: "Bare", Reason: "Bare", Type: corev1.EventTypeNormal,
			ReportingController: "k8sm.io/benchmark", ReportingInstance: "benchmark",
			Regarding: corev1.ObjectReference{Kind: "Node", Name: name},
		},
	}
}

// changePatch changes an object and returns the patch: of the status where that is a subresource,
// otherwise of the annotations.
func changePatch(object client.Object) client.Patch {
	patch := client.MergeFrom(object.DeepCopyObject().(client.Object))
	switch o := object.(type) {
	case *v1alpha1.MesosNode:
		o.Status.Attempt++
	case *corev1.Node:
		o.Status = readyStatus()
	}
	annotations := map[string]string{"bench": metav1.NowMicro().Format(time.RFC3339Nano)}
	object.SetAnnotations(annotations)
	return patch
}
