package identity

import (
	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
)

var decisionsTotal = prometheus.NewCounterVec(prometheus.CounterOpts{
	Name: "k8sm_certificate_rulings_total",
	Help: "Certificate signing requests that were approved or denied, by signer and reason.",
}, []string{"signer", "reason"})

var postponedTotal = prometheus.NewCounter(prometheus.CounterOpts{
	Name: "k8sm_certificate_requests_postponed_total",
	Help: "Certificate signing requests that were not decided on at once, because their requestor makes too many.",
})

func init() { metrics.Registry.MustRegister(decisionsTotal, postponedTotal) }
