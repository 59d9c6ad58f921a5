package autoscaler

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/k8sm/k8sm/api/v1alpha1"
)

var (
	decisions = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "k8sm_autoscaler_decisions_total",
		Help: "Decisions about a pool: Grow, Shrink, or Hold although pods wait.",
	}, []string{"pool", "action"})
	decidedNodes = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "k8sm_autoscaler_nodes_total",
		Help: "Nodes that were created (Grow) and removed (Shrink) by decisions.",
	}, []string{"pool", "action"})
	decisionSeconds = prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "k8sm_autoscaler_decision_seconds",
		Help:    "How long it took to decide what is needed (grow) and what is not (shrink).",
		Buckets: prometheus.ExponentialBuckets(0.001, 4, 8),
	}, []string{"kind"})
	pendingPods = prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "k8sm_autoscaler_pending_pods",
		Help: "Unschedulable pods: placed on nodes that are there or on their way, helped by new nodes, refused by all pools, held because nodes did not help, or left out, and why.",
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
func measurePods(p *pass) {
	helped := 0
	for _, l := range p.plan.Launches {
		helped += len(l.Pods)
	}
	counts := map[string]int{
		"placed": len(p.plan.Placed), "helped": helped, "refused": len(p.plan.Refused), "held": len(p.held),
		leftOutDaemon: 0, leftOutExpendable: 0, leftOutPreempting: 0, leftOutScheduler: 0,
	}
	for reason, n := range p.leftOut {
		counts[reason] = n
	}
	for reason, n := range counts {
		pendingPods.WithLabelValues(reason).Set(float64(n))
	}
}
