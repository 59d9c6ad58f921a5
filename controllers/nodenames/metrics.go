package nodenames

import (
	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
)

var (
	namesDropped = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "k8sm_node_names_dropped_total",
		Help: "Names of removed nodes that were forgotten before the last certificate in them expired, because there were too many.",
	})
	nodesReturned = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "k8sm_removed_nodes_returned_total",
		Help: "Nodes that were deleted because they came back under the name of a removed node.",
	})
)

func init() { metrics.Registry.MustRegister(namesDropped, nodesReturned) }
