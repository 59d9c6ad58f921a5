package session_test

import (
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	schedulerpb "github.com/mesos/mesos-go/api/v1/lib/scheduler"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/k8sm/k8sm/mesos/scheduler"
	"github.com/k8sm/k8sm/mesos/session"
)

// longRecord returns a record of an event whose content is nothing but its type and bytes.
func longRecord(eventType schedulerpb.Event_Type, size int) string {
	return strconv.Itoa(size) + "\n\x08" + string(rune(eventType)) + strings.Repeat("x", size-2)
}

// A message or a status of any size costs nobody the stream.
func TestEventsThatAreTooLongAreSkippedAndCounted(t *testing.T) {
	t.Parallel()
	var subscriptions atomic.Int32
	first := subscribedRecord(t, 15*time.Second)
	read := make(chan struct{})
	server := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/api/v1" || r.Header.Get("Mesos-Stream-Id") != "" {
			w.WriteHeader(http.StatusAccepted)
			return
		}
		subscriptions.Add(1)
		w.Header().Set("Content-Type", "application/x-protobuf")
		w.Header().Set("Mesos-Stream-Id", "s1")
		writeAndFlush(w, first)
		writeAndFlush(w, longRecord(schedulerpb.Event_MESSAGE, 40<<20))
		writeAndFlush(w, longRecord(schedulerpb.Event_UPDATE, 33<<20))
		writeAndFlush(w, longRecord(schedulerpb.Event_MESSAGE, 1<<20)) // read, and not decoded
		close(read)
		<-r.Context().Done()
	})
	cfg := config(newMemoryStore(), server.URL)
	cfg.Metrics = session.NewMetrics()
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(cfg.Metrics)
	r := start(t, cfg)
	r.awaitState(scheduler.Subscribed)
	<-read
	eventually(t, "two events are counted as skipped", func() bool { return counterOf(t, registry, "k8sm_mesos_events_skipped_total") == 2 })
	eventually(t, "four events are counted", func() bool { return counterOf(t, registry, "k8sm_mesos_events_total") == 4 })
	if st := r.State(); !st.Subscribed || subscriptions.Load() != 1 {
		t.Errorf("after %d subscriptions the state is %+v", subscriptions.Load(), st)
	}
}
