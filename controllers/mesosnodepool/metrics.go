package mesosnodepool

import (
	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
)

var poolNodes = prometheus.NewGaugeVec(prometheus.GaugeOpts{
	Name: "k8sm_pool_nodes",
	Help: "Nodes of a pool: desired, the number in spec.replicas or, with autoscaling, the number that was created; alive, not being deleted; ready; leaving, being drained and released.",
}, []string{"pool", "state"})

func init() {
	metrics.Registry.MustRegister(poolNodes)
}

// setGauges sets the gauges of a pool.
func setGauges(o observation) {
	for state, n := range map[string]int{
		"desired": o.desiredReplicas(),
		"alive":   len(o.nodes.Alive),
		"ready":   o.readyCount(),
		"leaving": len(o.nodes.Leaving),
	} {
		poolNodes.WithLabelValues(o.pool.Name, state).Set(float64(n))
	}
}

// deleteGauges removes the gauges of a pool that is gone.
func deleteGauges(pool string) {
	poolNodes.DeletePartialMatch(prometheus.Labels{"pool": pool})
}
