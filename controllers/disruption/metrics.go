package disruption

import (
	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/k8sm/k8sm/api/v1alpha1"
)

var toBeReplaced = prometheus.NewGaugeVec(prometheus.GaugeOpts{
	Name: "k8sm_pool_nodes_to_be_replaced",
	Help: "Nodes of a pool that are to be replaced, by reason: Outdated, Drifted, Expired or Maintenance.",
}, []string{"pool", "reason"})

func init() {
	metrics.Registry.MustRegister(toBeReplaced)
}

// setGauges sets the gauges of a pool.
func setGauges(o *observation) {
	counts := map[v1alpha1.DisruptionReason]int{
		v1alpha1.DisruptionOutdated: 0, v1alpha1.DisruptionDrifted: 0, v1alpha1.DisruptionExpired: 0, v1alpha1.DisruptionMaintenance: 0,
	}
	for _, c := range o.causes {
		counts[c.reason]++
	}
	for reason, n := range counts {
		toBeReplaced.WithLabelValues(o.pool.Name, string(reason)).Set(float64(n))
	}
}

// deleteGauges removes the gauges of a pool that is gone.
func deleteGauges(pool string) {
	toBeReplaced.DeletePartialMatch(prometheus.Labels{"pool": pool})
}
