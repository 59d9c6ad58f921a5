package nodemodel

import (
	"hash/fnv"
	"time"

	"github.com/k8sm/k8sm/api/v1alpha1"
)

// expiryJitter is the greatest part of expireAfter that is taken off.
const expiryJitter = 0.1

// ExpiresAt is when a node of a pool expires; zero for never. Nodes of the same age expire one
// after the other, since each has a jitter of its own, which never changes.
func ExpiresAt(pool *v1alpha1.MesosNodePool, n *v1alpha1.MesosNode) time.Time {
	after := pool.Spec.Disruption.ExpireAfter
	if after == nil {
		return time.Time{}
	}
	digest := fnv.New32a()
	_, _ = digest.Write([]byte(n.UID))
	share := float64(digest.Sum32()%1000) / 1000
	return n.CreationTimestamp.Add(after.Duration - time.Duration(float64(after.Duration)*expiryJitter*share))
}
