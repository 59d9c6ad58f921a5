package agentaddress

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/k8sm/k8sm/api/v1alpha1"
)

// fieldAddress indexes Nodes and MesosNodes by their IP addresses: a launch looks for the few
// that have one address, not through all of them.
const fieldAddress = "k8sm.address"

// Index makes Nodes and MesosNodes selectable by address in the cache. It is called once, before
// the cache is started.
func Index(ctx context.Context, indexer client.FieldIndexer) error {
	for _, object := range []client.Object{&corev1.Node{}, &v1alpha1.MesosNode{}} {
		if err := indexer.IndexField(ctx, object, fieldAddress, addressesOf); err != nil {
			return fmt.Errorf("indexing %T by address: %w", object, err)
		}
	}
	return nil
}

// addressesOf returns the IP addresses of a Node, or that of the agent of a MesosNode.
func addressesOf(object client.Object) (keys []string) {
	var texts []string
	switch o := object.(type) {
	case *corev1.Node:
		for _, address := range o.Status.Addresses {
			texts = append(texts, address.Address)
		}
	case *v1alpha1.MesosNode:
		if o.Status.Task != nil {
			texts = append(texts, o.Status.Task.AgentAddress)
		}
	}
	for _, ip := range parseAddresses(texts) {
		keys = append(keys, ip.String())
	}
	return keys
}
