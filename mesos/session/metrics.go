package session

import (
	schedulerpb "github.com/mesos/mesos-go/api/v1/lib/scheduler"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/k8sm/k8sm/mesos/scheduler"
)

// Metrics counts what sessions do. One serves all sessions of a process; the caller
// registers it.
type Metrics struct {
	demand        *prometheus.GaugeVec
	offers        *prometheus.CounterVec
	launches      *prometheus.CounterVec
	plans         *prometheus.CounterVec
	calls         *prometheus.CounterVec
	events        *prometheus.CounterVec
	subscriptions *prometheus.CounterVec
	storeErrors   *prometheus.CounterVec
}

// NewMetrics makes metrics that are not yet registered.
func NewMetrics() *Metrics {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, append([]string{"framework"}, labels...))
	}
	return &Metrics{
		demand: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "k8sm_demand", Help: "Nodes that are wanted and have no place yet.",
		}, []string{"framework"}),
		offers:        counter("k8sm_offers_total", "Mesos offers by what became of them.", "outcome"),
		launches:      counter("k8sm_launches_total", "Tasks by whether their launch was sent to the master.", "outcome"),
		plans:         counter("k8sm_plans_total", "Passes that matched demands to offers."),
		calls:         counter("k8sm_mesos_calls_total", "Calls to the master by type and HTTP status.", "type", "code"),
		events:        counter("k8sm_mesos_events_total", "Events from the master by type.", "type"),
		subscriptions: counter("k8sm_subscriptions_total", "Subscriptions by what became of them.", "outcome"),
		storeErrors:   counter("k8sm_store_errors_total", "Failures to write what is durable.", "operation"),
	}
}

func (m *Metrics) collectors() []prometheus.Collector {
	return []prometheus.Collector{m.demand, m.offers, m.launches, m.plans, m.calls, m.events, m.subscriptions, m.storeErrors}
}

// Describe implements prometheus.Collector.
func (m *Metrics) Describe(ch chan<- *prometheus.Desc) {
	for _, c := range m.collectors() {
		c.Describe(ch)
	}
}

// Collect implements prometheus.Collector.
func (m *Metrics) Collect(ch chan<- prometheus.Metric) {
	for _, c := range m.collectors() {
		c.Collect(ch)
	}
}

// frameworkMetrics is the metrics of one framework; nil metrics count nowhere.
type frameworkMetrics struct {
	*Metrics
	framework string
}

func (m *Metrics) forFramework(framework string) frameworkMetrics {
	return frameworkMetrics{m, framework}
}

func (l frameworkMetrics) call(callType, code string) {
	if l.Metrics != nil {
		l.calls.WithLabelValues(l.framework, callType, code).Inc()
	}
}

// event counts what is not known as one: else a master could make labels without end.
func (l frameworkMetrics) event(eventType schedulerpb.Event_Type) {
	if l.Metrics == nil {
		return
	}
	name, known := schedulerpb.Event_Type_name[int32(eventType)]
	if !known {
		name = schedulerpb.Event_UNKNOWN.String()
	}
	l.events.WithLabelValues(l.framework, name).Inc()
}

func (l frameworkMetrics) subscription(outcome scheduler.StateReason) {
	if l.Metrics != nil {
		l.subscriptions.WithLabelValues(l.framework, string(outcome)).Inc()
	}
}

func (l frameworkMetrics) storeError(operation string) {
	if l.Metrics != nil {
		l.storeErrors.WithLabelValues(l.framework, operation).Inc()
	}
}

// forget drops what is no longer so once a session has ended.
func (l frameworkMetrics) forget() {
	if l.Metrics != nil {
		l.demand.DeleteLabelValues(l.framework)
	}
}

// updateMetrics brings what the core counted into the metrics.
func (s *Session) updateMetrics() {
	if s.metrics.Metrics == nil {
		return
	}
	now := s.core.Counters()
	s.metrics.add(&s.counts, &now)
	s.metrics.demand.WithLabelValues(s.metrics.framework).Set(float64(s.core.PendingDemands()))
	s.counts = now
}

func (l frameworkMetrics) add(before, now *scheduler.Counters) {
	add := func(c *prometheus.CounterVec, before, now uint64, labels ...string) {
		if now > before {
			c.WithLabelValues(append([]string{l.framework}, labels...)...).Add(float64(now - before))
		}
	}
	add(l.offers, before.Accepted, now.Accepted, "accepted")
	add(l.offers, before.Declined, now.Declined, "declined")
	add(l.offers, before.Rescinded, now.Rescinded, "rescinded")
	add(l.offers, before.Expired, now.Expired, "expired")
	add(l.offers, before.Voided, now.Voided, "voided")
	add(l.offers, before.Malformed, now.Malformed, "malformed")
	add(l.launches, before.Launched, now.Launched, "sent")
	add(l.launches, before.Dropped, now.Dropped, "dropped")
	add(l.plans, before.Plans, now.Plans)
}
