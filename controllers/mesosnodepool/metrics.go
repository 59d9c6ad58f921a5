package mesosnodepool

import (
	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
)

var poolNodes = prometheus.NewGaugeVec(prometheus.GaugeOpts{
	Name: "k8sm_pool_nodes",
	Help: "Nodes of a pool: desired, as spec.replicas says or, with autoscaling, as were created; alive, not being deleted; ready; leaving, being drained and released.",
}, []string{"pool", "state"})

func init() {
	metrics.Registry.MustRegister(poolNodes)
}

// measure sets the gauges of a pool.
func measure(o observation) {
	for state, n := range map[string]int{
		"desired": o.replicas(),
		"alive":   len(o.nodes.Alive),
		"ready":   o.ready(),
		"leaving": len(o.nodes.Leaving),
	} {
		poolNodes.WithLabelValues(o.pool.Name, state).Set(float64(n))
	}
}

// unmeasure removes the gauges of a pool that is gone.
func unmeasure(pool string) {
	poolNodes.DeletePartialMatch(prometheus.Labels{"pool": pool})
}
