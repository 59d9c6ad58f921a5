package mesosframework

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/k8sm/k8sm/mesos/scheduler"
)

var agentsBackingOff = prometheus.NewGaugeVec(prometheus.GaugeOpts{
	Name: "k8sm_framework_agents_backing_off",
	Help: "Agents that a MesosFramework leaves alone after failures of nodes.",
}, []string{"framework"})

func init() { metrics.Registry.MustRegister(agentsBackingOff) }

// measureAgentFailures sets the gauge of a framework.
func measureAgentFailures(framework string, failures []scheduler.AgentFailure, now time.Time) {
	count := 0
	for i := range failures {
		if now.Before(failures[i].Until) {
			count++
		}
	}
	agentsBackingOff.WithLabelValues(framework).Set(float64(count))
}

// deleteMetrics removes the gauge of a framework that has no session any more.
func deleteMetrics(framework string) { agentsBackingOff.DeleteLabelValues(framework) }
