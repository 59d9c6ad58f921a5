package scheduler_test

import (
	"math"
	"strings"
	"testing"

	mesos "github.com/mesos/mesos-go/api/v1/lib"
	schedulerpb "github.com/mesos/mesos-go/api/v1/lib/scheduler"

	"github.com/k8sm/k8sm/mesos/scheduler"
)

// subscribed is a core at rest, with one task that runs and one demand.
func subscribed(t *testing.T) *player {
	t.Helper()
	p := &player{}
	for _, line := range []string{"new id=F1 n1@S1:TASK_RUNNING", "auto prepare record", "subscribed id=F1", "update n1@S1 TASK_RUNNING", "demand n2", "wait 1s"} {
		if err := p.do(strings.Fields(line)); err != nil {
			t.Fatal(err)
		}
	}
	p.log = nil
	return p
}

func offerOf(rs ...mesos.Resource) *schedulerpb.Event {
	alloc := &mesos.Resource_AllocationInfo{Role: ptr("k8sm")}
	for i := range rs {
		rs[i].AllocationInfo = alloc
	}
	return offersEvent(mesos.Offer{ID: mesos.OfferID{Value: "O1"}, AgentID: mesos.AgentID{Value: "S1"}, AllocationInfo: alloc, Resources: rs})
}

func offersEvent(os ...mesos.Offer) *schedulerpb.Event {
	return &schedulerpb.Event{Type: schedulerpb.Event_OFFERS, Offers: &schedulerpb.Event_Offers{Offers: os}}
}

func cpusOf(x float64) mesos.Resource {
	return mesos.Resource{Name: "cpus", Type: mesos.SCALAR.Enum(), Scalar: &mesos.Value_Scalar{Value: x}}
}

func memOf(x float64) mesos.Resource {
	return mesos.Resource{Name: "mem", Type: mesos.SCALAR.Enum(), Scalar: &mesos.Value_Scalar{Value: x}}
}

func updateOf(st mesos.TaskStatus) *schedulerpb.Event {
	return &schedulerpb.Event{Type: schedulerpb.Event_UPDATE, Update: &schedulerpb.Event_Update{Status: st}}
}

// An invalid event is ignored, and an invalid offer declined; the stream goes on.
func TestInvalidEventsAreIgnoredOrDeclined(t *testing.T) {
	t.Parallel()
	n1, s1 := mesos.TaskID{Value: "n1"}, &mesos.AgentID{Value: "S1"}
	declined := "0s DECLINE O1 refuse=120s"
	for name, tc := range map[string]struct {
		event *schedulerpb.Event
		want  string // the calls and records that follow
	}{
		"an offer without an ID": {event: offersEvent(mesos.Offer{AgentID: *s1})},
		"an offer without an agent": {
			event: offersEvent(mesos.Offer{ID: mesos.OfferID{Value: "O1"}}), want: declined,
		},
		"an agent whose host name cannot be stored": {
			event: offersEvent(mesos.Offer{ID: mesos.OfferID{Value: "O1"}, AgentID: *s1, Hostname: strings.Repeat("x", 3<<20)}), want: declined,
		},
		"negative cpus":              {event: offerOf(cpusOf(-1)), want: declined},
		"cpus that are not a number": {event: offerOf(cpusOf(math.NaN())), want: declined},
		"infinite cpus":              {event: offerOf(cpusOf(math.Inf(1))), want: declined},
		"more cpus than exist":       {event: offerOf(cpusOf(1e300)), want: declined},
		"sums that overflow":         {event: offerOf(cpusOf(1e12), cpusOf(1e12)), want: declined},
		"cpus without a value":       {event: offerOf(mesos.Resource{Name: "cpus"})},
		"an offer in a role of another framework": {
			event: offersEvent(mesos.Offer{ID: mesos.OfferID{Value: "O1"}, AgentID: *s1, AllocationInfo: &mesos.Resource_AllocationInfo{Role: ptr("others")}}),
			want:  declined,
		},
		"OFFERS without content":                {event: &schedulerpb.Event{Type: schedulerpb.Event_OFFERS}},
		"RESCIND without content":               {event: &schedulerpb.Event{Type: schedulerpb.Event_RESCIND}},
		"INVERSE_OFFERS without content":        {event: &schedulerpb.Event{Type: schedulerpb.Event_INVERSE_OFFERS}},
		"RESCIND_INVERSE_OFFER without content": {event: &schedulerpb.Event{Type: schedulerpb.Event_RESCIND_INVERSE_OFFER}},
		"UPDATE without content":                {event: &schedulerpb.Event{Type: schedulerpb.Event_UPDATE}},
		"UPDATE without a task ID":              {event: updateOf(mesos.TaskStatus{State: mesos.TASK_RUNNING.Enum(), UUID: []byte("u")})},
		"UPDATE without a state":                {event: updateOf(mesos.TaskStatus{TaskID: n1, AgentID: s1, UUID: []byte("u")})},
		"UPDATE with an unknown state":          {event: updateOf(mesos.TaskStatus{TaskID: n1, AgentID: s1, State: mesos.TaskState(99).Enum(), UUID: []byte("u")})},
		"FAILURE without content":               {event: &schedulerpb.Event{Type: schedulerpb.Event_FAILURE}},
		"a second SUBSCRIBED":                   {event: &schedulerpb.Event{Type: schedulerpb.Event_SUBSCRIBED, Subscribed: &schedulerpb.Event_Subscribed{FrameworkID: &mesos.FrameworkID{Value: "F2"}}}},
		"an unknown event type":                 {event: &schedulerpb.Event{Type: 4711}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := subscribed(t)
			before := p.core.State()
			p.core.Step(p.now, tc.event)
			p.drain()
			var answers []string
			for _, line := range p.log {
				answers = append(answers, strings.Join(append([]string{"0s"}, strings.Fields(line)[1:]...), " "))
			}
			if got := strings.Join(answers, "\n"); got != tc.want {
				t.Errorf("it is answered by %q, want %q", got, tc.want)
			}
			if got := p.core.State(); got != before {
				t.Errorf("the state is %+v, was %+v", got, before)
			}
		})
	}
}

// The time of a status comes from the clock of its source, and may be anything.
func TestInvalidTimestampsAreDropped(t *testing.T) {
	t.Parallel()
	for name, x := range map[string]float64{"none": math.NaN(), "endless": math.Inf(1), "before all": -1e300, "after all": 1e18} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := subscribed(t)
			p.core.Step(p.now, updateOf(mesos.TaskStatus{TaskID: mesos.TaskID{Value: "n1"}, State: mesos.TASK_FAILED.Enum(), Timestamp: &x}))
			sts := p.core.Ready().Statuses
			if len(sts) != 1 || !sts[0].Time.IsZero() {
				t.Errorf("the statuses to record are %+v, want one without a time", sts)
			}
		})
	}
}

// A master may report any number of tasks, so the number of remembered ones is limited.
func TestUnknownTasksAreBounded(t *testing.T) {
	t.Parallel()
	p := subscribed(t)
	recorded := 0
	for i := range 100_100 {
		p.core.Step(p.now, running(i+10, "u"))
		r := p.core.Ready()
		p.core.Advance()
		recorded += len(r.Statuses)
	}
	if recorded >= 100_000 {
		t.Errorf("%d tasks are remembered", recorded)
	}
}

// Mesos keeps tasks alive for the failover timeout; with 0 it would end them at a disconnect.
func TestFrameworkInfoKeepsTasksAlive(t *testing.T) {
	t.Parallel()
	core, err := scheduler.New(scheduler.Config{Info: scheduler.Info{Name: "k8sm", Roles: []string{"k8sm"}}})
	if err != nil {
		t.Fatal(err)
	}
	core.Tick(epoch)
	info := core.Ready().Subscribe.Subscribe.FrameworkInfo
	if got, want := info.GetFailoverTimeout(), 7*24*3600.0; got != want {
		t.Errorf("the failover timeout is %g s, want %g s", got, want)
	}
	if !info.GetCheckpoint() {
		t.Error("the framework does not ask for checkpoints: its executors would not outlive an agent's restart")
	}
	var got []string
	for _, c := range info.Capabilities {
		got = append(got, c.Type.String())
	}
	// Neither REVOCABLE_RESOURCES nor GPU_RESOURCES: unused kinds are not to be offered.
	if want := "MULTI_ROLE PARTITION_AWARE RESERVATION_REFINEMENT REGION_AWARE TASK_KILLING_STATE"; strings.Join(got, " ") != want {
		t.Errorf("the capabilities are %v, want %s", got, want)
	}
	if _, err := scheduler.New(scheduler.Config{Info: scheduler.Info{Name: "k8sm", Roles: []string{"k8sm"}, FailoverTimeout: -1}}); err == nil {
		t.Error("a negative failover timeout is taken")
	}
}

// KILL and SHUTDOWN both give the executor its time. (Row 30.)
func TestLaunchedTasksHaveAKillGracePeriod(t *testing.T) {
	t.Parallel()
	p := subscribed(t)
	if err := p.do(strings.Fields("offers O1@S1:8")); err != nil {
		t.Fatal(err)
	}
	if err := p.do(strings.Fields("wait 1s")); err != nil {
		t.Fatal(err)
	}
	accept := p.sent[schedulerpb.Call_ACCEPT]
	if accept == nil {
		t.Fatal("nothing is launched")
	}
	ti := accept.Accept.Operations[0].Launch.TaskInfos[0]
	want := payload.KillGrace.Nanoseconds()
	if got := ti.GetKillPolicy().GetGracePeriod().GetNanoseconds(); got != want {
		t.Errorf("KILL gives %d ns, want %d", got, want)
	}
	if got := ti.Executor.GetShutdownGracePeriod().GetNanoseconds(); got != want {
		t.Errorf("SHUTDOWN gives %d ns, want %d", got, want)
	}
}
