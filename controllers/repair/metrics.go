package repair

import (
	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/k8sm/k8sm/controllers/repair/decision"
)

var (
	unhealthyNodes = prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "k8sm_pool_nodes_unhealthy",
		Help: "Nodes of a pool that a repair rule matches, or whose agent is unreachable.",
	}, []string{"pool"})
	heldBackNodes = prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "k8sm_pool_nodes_not_repaired",
		Help: "Unhealthy nodes of a pool that would be replaced now if not too many were unhealthy.",
	}, []string{"pool"})
)

func init() {
	metrics.Registry.MustRegister(unhealthyNodes, heldBackNodes)
}

// setGauges sets the gauges of a pool.
func setGauges(pool string, plan decision.Plan) {
	unhealthyNodes.WithLabelValues(pool).Set(float64(len(plan.Unhealthy)))
	heldBackNodes.WithLabelValues(pool).Set(float64(plan.HeldBack))
}

// deleteGauges removes the gauges of a pool that is gone.
func deleteGauges(pool string) {
	unhealthyNodes.DeleteLabelValues(pool)
	heldBackNodes.DeleteLabelValues(pool)
}
