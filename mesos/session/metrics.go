package session

import (
	"time"

	schedulerpb "github.com/mesos/mesos-go/api/v1/lib/scheduler"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/k8sm/k8sm/mesos/scheduler"
)

// ignoredLogInterval is the least time between two log lines about what was ignored.
const ignoredLogInterval = time.Minute

// Metrics counts what sessions do. All sessions of a process share one Metrics; the caller
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
	ignored       *prometheus.CounterVec
	skipped       *prometheus.CounterVec
}

// NewMetrics returns metrics that are not registered yet.
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
		skipped:       counter("k8sm_mesos_events_skipped_total", "Events from the master that were too long to be read, by type.", "type"),
		ignored:       counter("k8sm_status_updates_ignored_total", "Status updates that another executor than the task's, or another agent, made."),
	}
}

func (m *Metrics) collectors() []prometheus.Collector {
	return []prometheus.Collector{m.demand, m.offers, m.launches, m.plans, m.calls, m.events, m.subscriptions, m.storeErrors, m.ignored, m.skipped}
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

// frameworkMetrics counts for one framework. Without Metrics it counts nothing.
type frameworkMetrics struct {
	*Metrics
	framework string
}

func (m *Metrics) forFramework(framework string) frameworkMetrics {
	return frameworkMetrics{m, framework}
}

func (m frameworkMetrics) countCall(callType, code string) {
	if m.Metrics != nil {
		m.calls.WithLabelValues(m.framework, callType, code).Inc()
	}
}

// countEvent counts an event. Events of unknown types share one label, because a master could
// otherwise create labels without limit.
func (m frameworkMetrics) countEvent(eventType schedulerpb.Event_Type) {
	if m.Metrics == nil {
		return
	}
	name, known := schedulerpb.Event_Type_name[int32(eventType)]
	if !known {
		name = schedulerpb.Event_UNKNOWN.String()
	}
	m.events.WithLabelValues(m.framework, name).Inc()
}

// countSkipped counts an event that was not read.
func (m frameworkMetrics) countSkipped(eventType schedulerpb.Event_Type) {
	if m.Metrics != nil {
		m.skipped.WithLabelValues(m.framework, eventType.String()).Inc()
	}
}

func (m frameworkMetrics) countSubscription(outcome scheduler.StateReason) {
	if m.Metrics != nil {
		m.subscriptions.WithLabelValues(m.framework, string(outcome)).Inc()
	}
}

func (m frameworkMetrics) countStoreError(operation string) {
	if m.Metrics != nil {
		m.storeErrors.WithLabelValues(m.framework, operation).Inc()
	}
}

// deleteGauges deletes the gauges of a session that has ended.
func (m frameworkMetrics) deleteGauges() {
	if m.Metrics != nil {
		m.demand.DeleteLabelValues(m.framework)
	}
}

// updateMetrics adds to the metrics what the core counted since the last time. Status updates
// and offers that were ignored are logged, too, but seldom: there may be any number of them.
func (s *Session) updateMetrics() {
	now := s.core.Counters()
	ignored := now.Ignored + now.Malformed
	if clock := s.cfg.Clock(); ignored > s.loggedIgnored && clock.Sub(s.ignoredLoggedAt) >= ignoredLogInterval {
		s.log.Info("Ignored what Mesos passed on", "reason", s.core.LastIgnored(), "statusUpdates", now.Ignored, "offers", now.Malformed)
		s.loggedIgnored, s.ignoredLoggedAt = ignored, clock
	}
	if s.metrics.Metrics == nil {
		return
	}
	s.metrics.addCounts(&s.counted, &now)
	s.metrics.demand.WithLabelValues(s.metrics.framework).Set(float64(s.core.PendingDemands()))
	s.counted = now
}

func (m frameworkMetrics) addCounts(before, now *scheduler.Counters) {
	add := func(c *prometheus.CounterVec, before, now uint64, labels ...string) {
		if now > before {
			c.WithLabelValues(append([]string{m.framework}, labels...)...).Add(float64(now - before))
		}
	}
	add(m.offers, before.Accepted, now.Accepted, "accepted")
	add(m.offers, before.Declined, now.Declined, "declined")
	add(m.offers, before.Rescinded, now.Rescinded, "rescinded")
	add(m.offers, before.Expired, now.Expired, "expired")
	add(m.offers, before.Voided, now.Voided, "voided")
	add(m.offers, before.Malformed, now.Malformed, "malformed")
	add(m.launches, before.Launched, now.Launched, "sent")
	add(m.launches, before.Dropped, now.Dropped, "dropped")
	add(m.plans, before.Plans, now.Plans)
	add(m.ignored, before.Ignored, now.Ignored)
}
