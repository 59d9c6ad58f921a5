package autoscaler

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/controllers/autoscaler/decision"
	"github.com/k8sm/k8sm/controllers/autoscaler/pending"
)

var (
	decisions = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "k8sm_autoscaler_decisions_total",
		Help: "Decisions about a pool: Grow, Shrink, or Hold if pods are pending and no node is created.",
	}, []string{"pool", "action"})
	decidedNodes = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "k8sm_autoscaler_nodes_total",
		Help: "Nodes that were created (Grow) and removed (Shrink) by decisions.",
	}, []string{"pool", "action"})
	decisionSeconds = prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "k8sm_autoscaler_decision_seconds",
		Help:    "Duration of the decisions which nodes to create (grow) and which to remove (shrink).",
		Buckets: prometheus.ExponentialBuckets(0.001, 4, 8),
	}, []string{"kind"})
	pendingPods = prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "k8sm_autoscaler_pending_pods",
		Help: "Unschedulable pods: placed on nodes that exist or are starting, helped by new nodes, refused by all pools, held because nodes did not help, or left out, and why.",
	}, []string{"reason"})
)

func init() {
	metrics.Registry.MustRegister(decisions, decidedNodes, decisionSeconds, pendingPods)
}

func countDecision(pool string, d *v1alpha1.AutoscalingDecision) {
	decisions.WithLabelValues(pool, string(d.Action)).Inc()
	decidedNodes.WithLabelValues(pool, string(d.Action)).Add(float64(d.Nodes))
}

func measureDecision(kind string, took time.Duration) {
	decisionSeconds.WithLabelValues(kind).Observe(took.Seconds())
}

// measurePods sets the gauges of the pods that wait.
func measurePods(s *Snapshot, growth decision.GrowPlan) {
	for reason, n := range podCounts(s, growth) {
		pendingPods.WithLabelValues(reason).Set(float64(n))
	}
}

// podCounts counts the unschedulable pods by what was decided about them. Every reason is in
// it, so that a gauge returns to 0.
func podCounts(s *Snapshot, growth decision.GrowPlan) map[string]int {
	helped := 0
	for _, l := range growth.Launches {
		helped += len(l.Pods)
	}
	counts := map[string]int{
		"placed": len(growth.Placed), "helped": helped, "refused": len(growth.Refused), "held": len(s.held),
		pending.ExcludedDaemon: 0, pending.ExcludedExpendable: 0, pending.ExcludedPreempting: 0, pending.ExcludedScheduler: 0,
	}
	for reason, n := range s.excluded {
		counts[reason] = n
	}
	return counts
}
