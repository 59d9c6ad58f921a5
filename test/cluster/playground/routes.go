package playground

import (
	"context"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

// routes adds a route for the pods of each node, as a cloud's route controller does. The
// controller manager assigns the node's range of pod addresses, and the Node has its host's
// address.
type routes struct {
	network *network
	client  kubernetes.Interface
	// known is the host address by range of pod addresses.
	known map[string]string
	done  chan struct{}
}

const routeInterval = 500 * time.Millisecond

func startRoutes(ctx context.Context, network *network, client kubernetes.Interface) *routes {
	r := &routes{network: network, client: client, known: map[string]string{}, done: make(chan struct{})}
	go func() {
		defer close(r.done)
		for ticker := time.NewTicker(routeInterval); ; {
			r.sync(ctx)
			select {
			case <-ctx.Done():
				ticker.Stop()
				return
			case <-ticker.C:
			}
		}
	}()
	return r
}

// sync updates all routes. Routes that fail are tried again the next time.
func (r *routes) sync(ctx context.Context) {
	nodes, err := r.client.CoreV1().Nodes().List(ctx, metav1.ListOptions{ResourceVersion: "0"})
	if err != nil {
		return
	}
	wanted := wantedRoutes(nodes.Items)
	for pods, via := range wanted {
		if r.known[pods] != via && r.network.route(ctx, pods, via) == nil {
			r.known[pods] = via
		}
	}
	for pods := range r.known {
		if _, ok := wanted[pods]; !ok && r.network.unroute(ctx, pods) == nil {
			delete(r.known, pods)
		}
	}
}

func wantedRoutes(nodes []corev1.Node) map[string]string {
	wanted := map[string]string{}
	for i := range nodes {
		for _, address := range nodes[i].Status.Addresses {
			if address.Type == corev1.NodeInternalIP && nodes[i].Spec.PodCIDR != "" {
				wanted[nodes[i].Spec.PodCIDR] = address.Address
			}
		}
	}
	return wanted
}
