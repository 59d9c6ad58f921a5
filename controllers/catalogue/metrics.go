package catalogue

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
)

var (
	lastReloadSuccessful = prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "k8sm_node_runtime_last_reload_successful",
		Help: "1 if the content of the --node-runtime file is in use, 0 if it is not valid and the content of before stays.",
	})
	lastReloadSuccess = prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "k8sm_node_runtime_last_reload_success_timestamp_seconds",
		Help: "When content of the --node-runtime file was last taken into use, in seconds since 1970.",
	})
)

func init() {
	metrics.Registry.MustRegister(lastReloadSuccessful, lastReloadSuccess)
}

func setTaken(now time.Time) {
	lastReloadSuccessful.Set(1)
	lastReloadSuccess.Set(float64(now.Unix()))
}

func setRefused() { lastReloadSuccessful.Set(0) }
