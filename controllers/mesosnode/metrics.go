package mesosnode

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
)

// Phases of a node's life. The first three are counted from the intent to launch.
const (
	phaseLaunched   = "launched"
	phaseRegistered = "registered"
	phaseReady      = "ready"
	phaseDrained    = "drained"  // from the first cordon
	phaseReleased   = "released" // from the deletion of the MesosNode
)

var (
	phaseSeconds = prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "k8sm_node_phase_seconds",
		Help: "Time until a node has launched, registered and become ready, from the intent to launch it; " +
			"until it is drained, from its cordon; until it is released, from its deletion.",
		Buckets: []float64{1, 2, 4, 8, 15, 30, 60, 120, 300, 600, 1800, 3600},
	}, []string{"phase"})

	failedAttempts = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "k8sm_node_failed_attempts_total",
		Help: "Launches whose task ended before its Node registered, by the state it ended in.",
	}, []string{"state"})
)

func init() {
	metrics.Registry.MustRegister(phaseSeconds, failedAttempts)
}

// observePhase counts a phase. The API server keeps times in whole seconds, so that a phase
// may seem to end before it began.
func observePhase(phase string, took time.Duration) {
	phaseSeconds.WithLabelValues(phase).Observe(max(took, 0).Seconds())
}
