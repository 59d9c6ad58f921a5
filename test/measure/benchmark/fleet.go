package main

import (
	"context"
	"errors"
	"fmt"

	certificatesv1 "k8s.io/api/certificates/v1"
	corev1 "k8s.io/api/core/v1"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/test/cluster/playground"
)

// fleetPool is the only pool of a fleet.
const fleetPool = "bench"

// fleet is a playground whose nodes are real kubelets.
type fleet struct {
	*playground.Playground
	client client.WithWatch
}

func startFleet(ctx context.Context, o playground.Options) (*fleet, error) {
	p, err := playground.New(o)
	if err != nil {
		return nil, err
	}
	f := &fleet{Playground: p}
	if err := f.start(ctx); err != nil {
		return nil, f.stop(err)
	}
	return f, nil
}

func (f *fleet) start(ctx context.Context) error {
	if err := f.Start(ctx); err != nil {
		return err
	}
	scheme := runtime.NewScheme()
	if err := errors.Join(corev1.AddToScheme(scheme), certificatesv1.AddToScheme(scheme), v1alpha1.AddToScheme(scheme)); err != nil {
		return err
	}
	var err error
	if f.client, err = client.NewWithWatch(f.Config, client.Options{Scheme: scheme}); err != nil {
		return err
	}
	return f.client.Create(ctx, newFramework(f.Master.Addr()))
}

// stop removes the playground, and keeps its logs after a failure. It returns the failure joined
// with errors of the removal.
func (f *fleet) stop(failure error) error {
	if failure != nil {
		f.KeepLogsAfterStop()
	}
	return errors.Join(failure, f.Stop())
}

func (f *fleet) nodes(ctx context.Context) ([]v1alpha1.MesosNode, error) {
	list := &v1alpha1.MesosNodeList{}
	if err := f.client.List(ctx, list, client.MatchingLabels{v1alpha1.LabelPool: fleetPool}); err != nil {
		return nil, fmt.Errorf("listing MesosNodes: %w", err)
	}
	return list.Items, nil
}

func isReady(n *v1alpha1.MesosNode) bool {
	return n.DeletionTimestamp.IsZero() && apimeta.IsStatusConditionTrue(n.Status.Conditions, v1alpha1.ConditionReady)
}
