package poolnodes

import (
	corev1 "k8s.io/api/core/v1"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/controllers/messages"
)

// recordCreated records one event on the pool for a whole batch of created nodes.
func (s *Store) recordCreated(pool *v1alpha1.MesosNodePool, n int) {
	if n > 0 {
		s.recorder.Eventf(pool, nil, corev1.EventTypeNormal, v1alpha1.EventNodeCreated, "Scale", "Created %s.", messages.Count(n, "node", "nodes"))
	}
}

// recordRemoved records one event on the pool for a whole batch of deleted nodes.
func (s *Store) recordRemoved(pool *v1alpha1.MesosNodePool, n int) {
	if n > 0 {
		s.recorder.Eventf(pool, nil, corev1.EventTypeNormal, v1alpha1.EventNodeRemoved, "Scale", "Removing %s.", messages.Count(n, "node", "nodes"))
	}
}
