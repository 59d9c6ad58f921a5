package autoscaler

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/k8sm/k8sm/controllers/autoscaler/cordon"
	"github.com/k8sm/k8sm/controllers/autoscaler/decision"
)

func (r *Reconciler) cordoner() cordon.Cordoner {
	return cordon.Cordoner{Client: r.Client, Live: r.Live}
}

// cordon cordons the nodes of the removals, and returns the removals that can be carried out now.
func (r *Reconciler) cordon(ctx context.Context, s *Snapshot, removals []decision.Removal, out *outcome) (now []decision.Removal, err error) {
	var problems []error
	for _, removal := range removals {
		object := s.nodes[removal.Node]
		if object == nil {
			now = append(now, removal) // no pod can be there
			continue
		}
		r.state.mayBeCordoned = true
		wait, err := r.cordoner().Cordon(ctx, object, s.podsByNode[removal.Node], s.now)
		switch {
		case err != nil:
			problems = append(problems, err)
		case wait == 0:
			now = append(now, removal)
		case out.recheckIn == 0 || wait < out.recheckIn:
			out.recheckIn = wait
		}
	}
	return now, errors.Join(problems...)
}

// uncordonOthers lets pods come again to the nodes that are cordoned and not to be removed after
// all.
func (r *Reconciler) uncordonOthers(ctx context.Context, s *Snapshot, removals []decision.Removal) error {
	others := maps.Clone(s.nodes)
	for _, name := range s.leaving {
		delete(others, name)
	}
	for _, removal := range removals {
		delete(others, removal.Node)
	}
	return r.cordoner().Uncordon(ctx, slices.Collect(maps.Values(others))...)
}

// uncordonAll does the same for all nodes when no pool is autoscaled any more.
func (r *Reconciler) uncordonAll(ctx context.Context) error {
	if !r.state.mayBeCordoned {
		return nil
	}
	var nodes corev1.NodeList
	if err := r.Client.List(ctx, &nodes, client.UnsafeDisableDeepCopy); err != nil {
		return fmt.Errorf("listing Nodes: %w", err)
	}
	for i := range nodes.Items {
		if err := r.cordoner().Uncordon(ctx, &nodes.Items[i]); err != nil {
			return err
		}
	}
	r.state.mayBeCordoned = false
	return nil
}
