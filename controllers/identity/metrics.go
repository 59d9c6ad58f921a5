package identity

import (
	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
)

var decisionsTotal = prometheus.NewCounterVec(prometheus.CounterOpts{
	Name: "k8sm_certificate_rulings_total",
	Help: "Certificate signing requests that were approved or denied, by signer and reason.",
}, []string{"signer", "reason"})

func init() { metrics.Registry.MustRegister(decisionsTotal) }
