package session_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/k8sm/k8sm/mesos/mesostest"
	"github.com/k8sm/k8sm/mesos/placement"
	"github.com/k8sm/k8sm/mesos/scheduler"
)

// clock goes on by itself, and by leaps.
type clock struct{ ahead atomic.Int64 }

func (c *clock) now() time.Time       { return time.Now().Add(time.Duration(c.ahead.Load())) }
func (c *clock) leap(d time.Duration) { c.ahead.Add(int64(d)) }

func addAgents(t *testing.T, m *mesostest.Master, os ...mesostest.AgentOptions) {
	t.Helper()
	for _, o := range os {
		o.Launcher, o.WorkDir = mesostest.Func(mesostest.AutoRun), t.TempDir()
		if _, err := m.AddAgent(o); err != nil {
			t.Fatal(err)
		}
	}
}

func of(cpus float64) placement.Demand {
	return placement.Demand{ID: "asked", Group: "asked", Role: "k8sm", Resources: placement.Resources{CPUs: cpus, MemMiB: 512, Ports: 2}}
}

func TestCapacityIsWhatAgentsHaveLeft(t *testing.T) {
	t.Parallel()
	m := box(t, 0)
	addAgents(t, m,
		mesostest.AgentOptions{Resources: "cpus:8;mem:8192;ports:[1-99]", Domain: mesostest.Domain{Region: "r", Zone: "a"}},
		mesostest.AgentOptions{Resources: "cpus:6.5;mem:8192;ports:[1-99]", Attributes: "rack:r2", Domain: mesostest.Domain{Region: "r", Zone: "b"}},
		mesostest.AgentOptions{Resources: "cpus(other):128;mem(other):99999;ports:[1-99]"})
	c := &clock{}
	store := newMemory()
	cfg := config(store, m.Addr())
	cfg.Clock = c.now
	r := start(t, cfg)
	if got := r.Capacity(t.Context()).Headroom(of(1)); got.Count > 0 {
		t.Errorf("before the subscription there is room for %+v", got)
	}
	r.awaitState(scheduler.Subscribed)
	room := func(d placement.Demand, change ...func(*placement.Demand)) placement.Headroom {
		for _, f := range change {
			f(&d)
		}
		return r.Capacity(t.Context()).Headroom(d)
	}
	zoneB := func(d *placement.Demand) {
		d.Constraints = []placement.Constraint{{Attribute: placement.Zone, Operator: placement.In, Values: []string{"b"}}}
	}
	for what, test := range map[string]struct{ got, want placement.Headroom }{
		"two cpus":             {room(of(2)), placement.Headroom{Count: 7, Reason: "needs 2 cpus on one agent; agent-2.example comes nearest, with 0.5 cpus free"}},
		"eight cpus":           {room(of(8)), placement.Headroom{Count: 1, Reason: "needs 8 cpus on one agent; agent-2.example comes nearest, with 6.5 cpus free"}},
		"eight cpus in zone b": {room(of(8), zoneB), placement.Headroom{Reason: "needs 8 cpus on one agent with @zone In [b]; agent-2.example comes nearest, with 6.5 cpus free"}},
		"ever":                 {r.Capacity(t.Context()).HeadroomWhenEmpty(of(9)), placement.Headroom{Reason: "needs 9 cpus on one agent; agent-1.example comes nearest, with 8 cpus in all"}},
	} {
		if diff := cmp.Diff(test.want, test.got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", what, diff)
		}
	}

	big := demand(0)
	big.Resources.CPUs = 7
	r.AddDemand(big)
	eventually(t, "the task runs", func() bool { return store.in(scheduler.TaskRunning) == 1 })
	if got := room(of(2)).Count; got != 3 {
		t.Errorf("with 7 cpus taken, as the offer told, there is room for %d, want 3", got)
	}
	c.leap(time.Minute)
	if got := room(of(2)).Count; got != 3 {
		t.Errorf("with 7 cpus taken, as the master tells, there is room for %d, want 3", got)
	}
}

// What waits in vain is stronger evidence than what the master tells: a quota, say, holds
// it back.
func TestThereIsNoRoomForMoreOfWhatWaitsInVain(t *testing.T) {
	t.Parallel()
	m := box(t, 2, func(o *mesostest.MasterOptions) { o.AllocationInterval = time.Hour })
	c := &clock{}
	cfg := config(newMemory(), m.Addr())
	cfg.Clock = c.now
	cfg.Timing.Revive = scheduler.Backoff{Initial: 50 * time.Millisecond, Max: 100 * time.Millisecond}
	cfg.Timing.ReviveInterval = time.Millisecond
	r := start(t, cfg)
	r.awaitState(scheduler.Subscribed)
	alike := demand(1)
	if got := r.Capacity(t.Context()).Headroom(alike); got.Count != 8 {
		t.Errorf("there is room for %+v, want 8", got)
	}
	huge := demand(0)
	huge.Resources.CPUs = 64
	r.AddDemand(huge)
	more := huge
	more.ID = "more"
	eventually(t, "it is in vain", func() bool {
		got := r.Capacity(t.Context()).Headroom(more)
		return got.Count == 0 && !strings.HasPrefix(got.Reason, "needs")
	})
	if got := r.Capacity(t.Context()).Headroom(alike); got.Count != 8 {
		t.Errorf("there is room for %+v of what is smaller, want 8", got)
	}
}

func TestMasterIsSeldomAskedForItsAgents(t *testing.T) {
	t.Parallel()
	m := box(t, 1)
	var asked atomic.Int64
	var refuse atomic.Bool
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if req.URL.Path == "/api/v1" {
			asked.Add(1)
			if refuse.Load() {
				http.Error(w, "not for you", http.StatusForbidden)
				return
			}
		}
		pass(t, m.URL(), w, req)
	}))
	t.Cleanup(front.Close)
	c := &clock{}
	cfg := config(newMemory(), front.URL)
	cfg.Clock = c.now
	r := start(t, cfg)
	r.awaitState(scheduler.Subscribed)
	time.Sleep(100 * time.Millisecond)
	if n := asked.Load(); n != 0 {
		t.Errorf("the master was asked %d times although nobody wants to know", n)
	}
	for range 20 {
		if got := r.Capacity(t.Context()); got.SurveyedAt.IsZero() {
			t.Errorf("nothing is known: %s", got.UnknownReason)
		}
	}
	if n := asked.Load(); n != 1 {
		t.Errorf("the master was asked %d times, want once", n)
	}
	refuse.Store(true)
	c.leap(time.Minute)
	if got := r.Capacity(t.Context()); got.SurveyedAt.IsZero() {
		t.Error("what was told a minute ago is forgotten at the first refusal")
	}
	c.leap(5 * time.Minute)
	for range 3 {
		got := r.Capacity(t.Context()).Headroom(of(1))
		if got.Count != placement.UnknownCount || !strings.Contains(got.Reason, "403 not for you") {
			t.Errorf("got %+v, want to be told of the refusal", got)
		}
	}
	if n := asked.Load(); n != 3 {
		t.Errorf("the master was asked %d times, want 3", n)
	}
}

// pass sends a request on to a master, and its answer back as it comes.
func pass(t *testing.T, to string, w http.ResponseWriter, req *http.Request) {
	out, err := http.NewRequestWithContext(req.Context(), req.Method, to+req.URL.Path, req.Body)
	if err != nil {
		t.Error(err)
		return
	}
	out.Header = req.Header
	res, err := http.DefaultClient.Do(out)
	if err != nil {
		return // the session ended
	}
	defer res.Body.Close()
	for k, v := range res.Header {
		w.Header()[k] = v
	}
	w.WriteHeader(res.StatusCode)
	buffer := make([]byte, 4096)
	for {
		n, err := res.Body.Read(buffer)
		_, _ = w.Write(buffer[:n])
		w.(http.Flusher).Flush()
		if err != nil {
			return
		}
	}
}

// Who comes while the master is being asked waits for its answer, and no longer than they
// have time.
func TestASlowMasterKeepsNobodyWaitingForTheOthers(t *testing.T) {
	t.Parallel()
	m := box(t, 1)
	asked, answer := make(chan struct{}), make(chan struct{})
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if req.URL.Path == "/api/v1" {
			close(asked)
			<-answer
		}
		pass(t, m.URL(), w, req)
	}))
	t.Cleanup(front.Close)
	r := start(t, config(newMemory(), front.URL))
	r.awaitState(scheduler.Subscribed)
	first := make(chan placement.Capacity, 1)
	go func() { first <- r.Capacity(t.Context()) }()
	<-asked
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	second := make(chan placement.Capacity, 1)
	go func() { second <- r.Capacity(ctx) }()
	select {
	case got := <-second:
		if !strings.Contains(got.UnknownReason, context.DeadlineExceeded.Error()) {
			t.Errorf("the second is told %q", got.UnknownReason)
		}
	case <-time.After(10 * time.Second):
		t.Error("the second waits for as long as the first")
	}
	close(answer)
	if got := <-first; got.SurveyedAt.IsZero() {
		t.Errorf("the first is told %q", got.UnknownReason)
	}
}
