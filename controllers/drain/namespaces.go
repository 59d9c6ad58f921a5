package drain

import (
	"context"
	"fmt"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// namespacesAge is the time for which the labels of namespaces are remembered: hundreds of nodes
// have pods in the same ones.
const namespacesAge = 30 * time.Second

// namespaces reads the labels of namespaces. They are read only where rules depend on them, so
// the operator needs no watch. It is safe for concurrent use.
type namespaces struct {
	live client.Reader

	mu     sync.Mutex
	labels map[string]labels.Set
	read   time.Time // the oldest entry
}

// labelsOf returns the labels of the namespaces of the pods. One that is gone has none.
func (n *namespaces) labelsOf(ctx context.Context, pods []corev1.Pod, now time.Time) (map[string]labels.Set, error) {
	out := map[string]labels.Set{}
	for i := range pods {
		name := pods[i].Namespace
		if _, ok := out[name]; ok {
			continue
		}
		known, ok := n.remembered(name, now)
		if !ok {
			var object corev1.Namespace
			if err := n.live.Get(ctx, client.ObjectKey{Name: name}, &object); err != nil && !apierrors.IsNotFound(err) {
				return nil, fmt.Errorf("reading the namespace %s, which rules of spec.drain depend on: %w", name, err)
			}
			known = object.Labels
			n.remember(name, known)
		}
		out[name] = known
	}
	return out, nil
}

func (n *namespaces) remembered(name string, now time.Time) (labels.Set, bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.labels == nil || now.Sub(n.read) > namespacesAge {
		n.labels, n.read = map[string]labels.Set{}, now
	}
	known, ok := n.labels[name]
	return known, ok
}

func (n *namespaces) remember(name string, known labels.Set) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.labels[name] = known
}
