package session_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	mesos "github.com/mesos/mesos-go/api/v1/lib"
	"github.com/mesos/mesos-go/api/v1/lib/resources"
	schedulerpb "github.com/mesos/mesos-go/api/v1/lib/scheduler"

	"github.com/k8sm/k8sm/mesos/scheduler"
)

// writeAndFlush writes to a stream, and reports whether the client still reads it.
func writeAndFlush(w http.ResponseWriter, s string) bool {
	_, err := io.WriteString(w, s)
	return err == nil && http.NewResponseController(w).Flush() == nil
}

// writeRepeatedly writes s at an interval until the client disconnects.
func writeRepeatedly(w http.ResponseWriter, s string, every time.Duration) {
	for writeAndFlush(w, s) {
		time.Sleep(every)
	}
}

// A master sends invalid data before or after it accepts the subscription: the reason is
// reported, and the session subscribes again after its back-off.
func TestInvalidStreamsAreReportedAndReopened(t *testing.T) {
	first := subscribedRecord(t, 15*time.Second)
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	_, _ = z.Write([]byte(first))
	_ = z.Close()
	for name, tc := range map[string]struct {
		before string // valid records sent first
		send   func(http.ResponseWriter)
		reason scheduler.StateReason
		want   string
		limit  time.Duration
	}{
		"gzip":                        {"", func(w http.ResponseWriter) { writeAndFlush(w, zipped.String()) }, scheduler.ProtocolError, `"\x1f\x8b`, time.Second},
		"HTML":                        {first, func(w http.ResponseWriter) { writeAndFlush(w, "<html>") }, scheduler.ProtocolError, "length is due", time.Second},
		"JSON":                        {"", func(w http.ResponseWriter) { writeAndFlush(w, "20\n{\"type\":\"SUBSCRIBED\"}") }, scheduler.ProtocolError, "decoding an event", time.Second},
		"offers of 100 MB":            {first, func(w http.ResponseWriter) { writeAndFlush(w, longRecord(schedulerpb.Event_OFFERS, 100<<20)) }, scheduler.ProtocolError, "OFFERS: a record of 104857600 bytes, more than 33554432", 10 * time.Second},
		"a first event of 40 MB":      {"", func(w http.ResponseWriter) { writeAndFlush(w, longRecord(schedulerpb.Event_MESSAGE, 40<<20)) }, scheduler.ProtocolError, "the first event is MESSAGE", 10 * time.Second},
		"a length beyond any message": {first, func(w http.ResponseWriter) { writeAndFlush(w, "5000000000\n") }, scheduler.ProtocolError, "a record of 5000000000 bytes", time.Second},
		"a length without end":        {first, func(w http.ResponseWriter) { writeAndFlush(w, strings.Repeat("1", 1<<20)) }, scheduler.ProtocolError, "length is due", time.Second},
		"a slow length":               {first, func(w http.ResponseWriter) { writeRepeatedly(w, "1", 10*time.Second) }, scheduler.MasterUnreachable, "nothing was heard from the master for 1m15s", 76 * time.Second},
		"a slow record":               {first + "33554432\n", func(w http.ResponseWriter) { writeRepeatedly(w, "x", time.Second) }, scheduler.MasterUnreachable, "nothing was heard from the master for 1m15s", 76 * time.Second},
		"empty records":               {first, func(w http.ResponseWriter) { writeRepeatedly(w, "0\n", time.Second) }, scheduler.MasterUnreachable, "nothing was heard", 76 * time.Second},
		"no record at all":            {"", func(w http.ResponseWriter) { writeRepeatedly(w, "0\n", time.Second) }, scheduler.ProtocolError, "sent nothing for 15s", 16 * time.Second},
		"a truncated record":          {first, func(w http.ResponseWriter) { writeAndFlush(w, "20\nshort"); panic(http.ErrAbortHandler) }, scheduler.MasterUnreachable, "broke off", time.Second},
		"a stalled record":            {first, func(w http.ResponseWriter) { writeAndFlush(w, "33554432\n"+strings.Repeat("\x00", 1<<20)) }, scheduler.MasterUnreachable, "nothing was heard", 76 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newVirtualNetwork(t)
				var mu sync.Mutex
				var begun []time.Time
				n.serve("10.0.1.1", func(rw http.ResponseWriter, r *http.Request) {
					if r.URL.Path == "/api/v1" || r.Header.Get("Mesos-Stream-Id") != "" {
						rw.WriteHeader(http.StatusAccepted)
						return
					}
					mu.Lock()
					begun = append(begun, time.Now())
					mu.Unlock()
					rw.Header().Set("Content-Type", "application/x-protobuf")
					rw.Header().Set("Mesos-Stream-Id", "s1")
					writeAndFlush(rw, tc.before)
					tc.send(rw)
					<-r.Context().Done()
				})
				r, _ := n.start("10.0.1.1:5050")
				r.awaitVirtual(tc.limit+time.Second, "the reason is reported", func() bool {
					return r.State().Reason == tc.reason && strings.Contains(r.State().Message, tc.want)
				})
				time.Sleep(5 * time.Minute)
				r.end()
				mu.Lock()
				defer mu.Unlock()
				if len(begun) < 4 {
					t.Errorf("in five minutes it subscribed %d times", len(begun))
				}
				for i := range begun[1:] {
					if gap := begun[i+1].Sub(begun[i]); gap < 500*time.Millisecond {
						t.Errorf("subscribed again after %s", gap)
					}
				}
			})
		})
	}
}

// Endless headers time out like a connection without an answer.
func TestEndlessHeadersTimeOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newVirtualNetwork(t)
		l := n.listen("10.0.1.1", 5050)
		t.Cleanup(func() { _ = l.Close() })
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				go func() {
					defer c.Close()
					go func() { _, _ = io.Copy(io.Discard, c) }()
					_, err = io.WriteString(c, "HTTP/1.1 200 OK\r\n")
					for i := 0; err == nil; i++ {
						if _, err = fmt.Fprintf(c, "X-%d: y\r\n", i); err != nil {
							return
						}
						time.Sleep(time.Second)
					}
				}()
			}
		}()
		r, _ := n.start("10.0.1.1:5050")
		r.awaitVirtual(17*time.Second, "the reason is reported", func() bool {
			return r.State().Reason == scheduler.MasterUnreachable && strings.Contains(r.State().Message, "timeout awaiting response headers")
		})
		r.end()
		time.Sleep(2 * time.Second) // until the server has noticed
	})
}

// offersRecord is one event with n large offers: two dozen attributes, and resources
// reserved with labels.
func offersRecord(t testing.TB, n int) string {
	t.Helper()
	role, key, value := "k8sm", "purpose", strings.Repeat("x", 40)
	e := schedulerpb.Event{Type: schedulerpb.Event_OFFERS, Offers: &schedulerpb.Event_Offers{}}
	for i := range n {
		o := mesos.Offer{
			ID: mesos.OfferID{Value: fmt.Sprintf("b8ee7be9-8d5c-4a0b-9c38-6a9c6a1e3b52-O%d", i)}, FrameworkID: mesos.FrameworkID{Value: "F1"},
			AgentID:  mesos.AgentID{Value: fmt.Sprintf("b8ee7be9-8d5c-4a0b-9c38-6a9c6a1e3b52-S%d", i)},
			Hostname: fmt.Sprintf("agent-%d.example", i), AllocationInfo: &mesos.Resource_AllocationInfo{Role: &role},
		}
		for _, r := range []mesos.Resource{
			resources.NewCPUs(32).Resource, resources.NewMemory(131072).Resource, resources.NewDisk(1 << 20).Resource,
			resources.Build().Name(resources.NamePorts).Ranges(resources.BuildRanges().Span(31000, 32000).Ranges).Resource,
		} {
			r.AllocationInfo = &mesos.Resource_AllocationInfo{Role: &role}
			r.Reservations = []mesos.Resource_ReservationInfo{{
				Type: mesos.Resource_ReservationInfo_DYNAMIC.Enum(), Role: &role,
				Labels: &mesos.Labels{Labels: []mesos.Label{{Key: key, Value: &value}}},
			}}
			o.Resources = append(o.Resources, r)
		}
		for j := range 24 {
			o.Attributes = append(o.Attributes, mesos.Attribute{Name: fmt.Sprintf("attribute-%d", j), Type: mesos.TEXT, Text: &mesos.Value_Text{Value: value[:20]}})
		}
		e.Offers.Offers = append(e.Offers.Offers, o)
	}
	b, err := e.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%d\n%s", len(b), b)
}

// 10,000 offers in one event are accepted and declined.
func TestManyOffersInOneEvent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newVirtualNetwork(t)
		stream := subscribedRecord(t, 15*time.Second) + offersRecord(t, 10_000)
		var mu sync.Mutex
		declined := 0
		n.serve("10.0.1.1", func(rw http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Mesos-Stream-Id") != "" {
				body, _ := io.ReadAll(r.Body)
				var c schedulerpb.Call
				if err := c.Unmarshal(body); err == nil && c.Type == schedulerpb.Call_DECLINE {
					mu.Lock()
					declined += len(c.Decline.OfferIDs)
					mu.Unlock()
				}
				rw.WriteHeader(http.StatusAccepted)
				return
			}
			streaming(stream)(rw, r)
		})
		r, _ := n.start("10.0.1.1:5050")
		r.awaitVirtual(10*time.Second, "all are declined", func() bool { mu.Lock(); defer mu.Unlock(); return declined == 10_000 })
		if !r.State().Subscribed {
			t.Errorf("the state is %+v", r.State())
		}
		r.end()
	})
}

// Memory is bounded, whatever event a master sends with each subscription. Not parallel: it
// measures the process.
func TestInvalidEventsTakeBoundedMemory(t *testing.T) {
	record := "33554432\n" + strings.Repeat("\xff", 33554432) // as long as may be, and not an event
	first := subscribedRecord(t, 15*time.Second)
	streams := 0
	var mu sync.Mutex
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/api/v1/scheduler" || r.Header.Get("Mesos-Stream-Id") != "" {
			w.WriteHeader(http.StatusAccepted)
			return
		}
		mu.Lock()
		streams++
		mu.Unlock()
		w.Header().Set("Content-Type", "application/x-protobuf")
		w.Header().Set("Mesos-Stream-Id", "s1")
		_ = writeAndFlush(w, first) && writeAndFlush(w, record)
		<-r.Context().Done()
	})
	runtime.GC()
	var before, now runtime.MemStats
	runtime.ReadMemStats(&before)
	start(t, config(newMemoryStore(), s.URL))
	most := uint64(0)
	eventually(t, "three such events came", func() bool {
		runtime.ReadMemStats(&now)
		most = max(most, now.HeapAlloc)
		mu.Lock()
		defer mu.Unlock()
		return streams > 3
	})
	if grown := most - before.HeapAlloc; grown > 6*33554432 {
		t.Errorf("the heap grew by %d MiB", grown>>20)
	}
}
