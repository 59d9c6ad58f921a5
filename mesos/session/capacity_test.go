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

// adjustableClock is the real clock plus an offset that tests advance.
type adjustableClock struct{ ahead atomic.Int64 }

func (c *adjustableClock) now() time.Time          { return time.Now().Add(time.Duration(c.ahead.Load())) }
func (c *adjustableClock) advance(d time.Duration) { c.ahead.Add(int64(d)) }

func addAgents(t *testing.T, m *mesostest.Master, os ...mesostest.AgentOptions) {
	t.Helper()
	for _, o := range os {
		o.Launcher, o.WorkDir = mesostest.Func(mesostest.AutoRun), t.TempDir()
		if _, err := m.AddAgent(o); err != nil {
			t.Fatal(err)
		}
	}
}

func demandOfCPUs(cpus float64) placement.Demand {
	return placement.Demand{ID: "asked", Group: "asked", Role: "k8sm", Resources: placement.Resources{CPUs: cpus, MemMiB: 512, Ports: 2}}
}

func TestCapacityIsFreeResourcesOfAgents(t *testing.T) {
	t.Parallel()
	m := startCluster(t, 0)
	addAgents(t, m,
		mesostest.AgentOptions{Resources: "cpus:8;mem:8192;ports:[1-99]", Domain: mesostest.Domain{Region: "r", Zone: "a"}},
		mesostest.AgentOptions{Resources: "cpus:6.5;mem:8192;ports:[1-99]", Attributes: "rack:r2", Domain: mesostest.Domain{Region: "r", Zone: "b"}},
		mesostest.AgentOptions{Resources: "cpus(other):128;mem(other):99999;ports:[1-99]"})
	c := &adjustableClock{}
	store := newMemoryStore()
	cfg := config(store, m.Addr())
	cfg.Clock = c.now
	r := start(t, cfg)
	if got := r.Capacity(t.Context()).Headroom(demandOfCPUs(1)); got.Count > 0 {
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
		"two cpus":             {room(demandOfCPUs(2)), placement.Headroom{Count: 7, Reason: "needs 2 cpus on one agent; agent-2.example comes nearest, with 0.5 cpus free"}},
		"eight cpus":           {room(demandOfCPUs(8)), placement.Headroom{Count: 1, Reason: "needs 8 cpus on one agent; agent-2.example comes nearest, with 6.5 cpus free"}},
		"eight cpus in zone b": {room(demandOfCPUs(8), zoneB), placement.Headroom{Reason: "needs 8 cpus on one agent with @zone In [b]; agent-2.example comes nearest, with 6.5 cpus free"}},
		"ever":                 {r.Capacity(t.Context()).HeadroomWhenEmpty(demandOfCPUs(9)), placement.Headroom{Reason: "needs 9 cpus on one agent; agent-1.example comes nearest, with 8 cpus in all"}},
	} {
		if diff := cmp.Diff(test.want, test.got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", what, diff)
		}
	}

	big := demand(0)
	big.Resources.CPUs = 7
	r.AddDemand(big)
	eventually(t, "the task runs", func() bool { return store.countInState(scheduler.TaskRunning) == 1 })
	if got := room(demandOfCPUs(2)).Count; got != 3 {
		t.Errorf("with 7 cpus taken, as the offer reported, there is room for %d, want 3", got)
	}
	c.advance(time.Minute)
	if got := room(demandOfCPUs(2)).Count; got != 3 {
		t.Errorf("with 7 cpus taken, as the master reports, there is room for %d, want 3", got)
	}
}

// A demand that stays unplaced is stronger evidence than the master's report of free
// resources: a quota, for example, may hold them back.
func TestUnplacedDemandHasNoHeadroom(t *testing.T) {
	t.Parallel()
	m := startCluster(t, 2, func(o *mesostest.MasterOptions) { o.AllocationInterval = time.Hour })
	c := &adjustableClock{}
	cfg := config(newMemoryStore(), m.Addr())
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
	eventually(t, "the demand is unplaced", func() bool {
		got := r.Capacity(t.Context()).Headroom(more)
		return got.Count == 0 && !strings.HasPrefix(got.Reason, "needs")
	})
	if got := r.Capacity(t.Context()).Headroom(alike); got.Count != 8 {
		t.Errorf("there is room for %+v of what is smaller, want 8", got)
	}
}

func TestAgentQueriesAreCached(t *testing.T) {
	t.Parallel()
	m := startCluster(t, 1)
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
		forward(t, m.URL(), w, req)
	}))
	t.Cleanup(front.Close)
	c := &adjustableClock{}
	cfg := config(newMemoryStore(), front.URL)
	cfg.Clock = c.now
	r := start(t, cfg)
	r.awaitState(scheduler.Subscribed)
	time.Sleep(100 * time.Millisecond)
	if n := asked.Load(); n != 0 {
		t.Errorf("the master was asked %d times without a capacity query", n)
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
	c.advance(time.Minute)
	if got := r.Capacity(t.Context()); got.SurveyedAt.IsZero() {
		t.Error("the report of a minute ago is dropped at the first refusal")
	}
	c.advance(5 * time.Minute)
	for range 3 {
		got := r.Capacity(t.Context()).Headroom(demandOfCPUs(1))
		if got.Count != placement.UnknownCount || !strings.Contains(got.Reason, "403 not for you") {
			t.Errorf("got %+v, want the refusal", got)
		}
	}
	if n := asked.Load(); n != 3 {
		t.Errorf("the master was asked %d times, want 3", n)
	}
}

// forward sends a request on to a master, and its answer back as it comes.
func forward(t *testing.T, to string, w http.ResponseWriter, req *http.Request) {
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

// A query during another one waits for the same answer from the master, but no longer than
// its own context.
func TestCapacityQueriesKeepTheirOwnDeadlines(t *testing.T) {
	t.Parallel()
	m := startCluster(t, 1)
	asked, answer := make(chan struct{}), make(chan struct{})
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if req.URL.Path == "/api/v1" {
			close(asked)
			<-answer
		}
		forward(t, m.URL(), w, req)
	}))
	t.Cleanup(front.Close)
	r := start(t, config(newMemoryStore(), front.URL))
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
			t.Errorf("the second reason is %q", got.UnknownReason)
		}
	case <-time.After(10 * time.Second):
		t.Error("the second waits for as long as the first")
	}
	close(answer)
	if got := <-first; got.SurveyedAt.IsZero() {
		t.Errorf("the first reason is %q", got.UnknownReason)
	}
}
