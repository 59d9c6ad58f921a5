package launches_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	mesos "github.com/mesos/mesos-go/api/v1/lib"

	"github.com/k8sm/k8sm/mesos/placement"
	"github.com/k8sm/k8sm/mesos/scheduler/demands"
	"github.com/k8sm/k8sm/mesos/scheduler/launches"
	"github.com/k8sm/k8sm/mesos/scheduler/offers"
	"github.com/k8sm/k8sm/mesos/scheduler/timers"
)

var start = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

const timeout = 5 * time.Second

func scalar(name string, x float64) mesos.Resource {
	return mesos.Resource{Name: name, Type: mesos.SCALAR.Enum(), Scalar: &mesos.Value_Scalar{Value: x}}
}

// fixture is a set with a clock, and offers of agent S1.
type fixture struct {
	set    *launches.Set
	clock  *timers.Queue
	offers *offers.Set
	queue  *demands.Queue
}

func newFixture() *fixture {
	clock := timers.NewQueue()
	return &fixture{set: launches.New(timeout, clock), clock: clock, offers: offers.New(time.Second, clock), queue: demands.NewQueue()}
}

func (f *fixture) offer(id string, arrived time.Duration) *offers.Offer {
	f.offers.Add(start.Add(arrived), &placement.Offer{ID: id, Role: "a", Agent: placement.Agent{ID: "S1", Hostname: "host"}})
	return f.offers.Get(id)
}

// launch puts a task into a batch.
func (f *fixture) launch(b *launches.Batch, taskID string) *launches.Launch {
	d := f.queue.Add(placement.Demand{ID: taskID, Group: "general", Role: "a", Resources: placement.Resources{CPUs: 2}})
	m := &placement.Match{Agent: b.Offers[0].Agent, Offer: b.Offers[0].Offer, Ports: []int{31000}, Resources: []mesos.Resource{scalar("cpus", 2)}}
	return f.set.Add(start, b, d, m)
}

func TestBatchIsSentWhenItsOldestOfferTimesOut(t *testing.T) {
	t.Parallel()
	f := newFixture()
	b := f.set.NewBatch([]*offers.Offer{f.offer("O2", 2*time.Second), f.offer("O1", time.Second)})
	if b.ID != "O2" || b.Role() != "a" || f.set.Batch("O2") != b {
		t.Errorf("the batch is %+v", b)
	}
	if !f.clock.Has(timers.SendBatch, "O2") || !f.clock.Next().Equal(start.Add(time.Second+timeout)) {
		t.Errorf("it is sent at %s", f.clock.Next())
	}
	for _, id := range []string{"O1", "O2"} {
		if f.offers.Get(id).Batch != "O2" {
			t.Errorf("offer %s is in batch %q", id, f.offers.Get(id).Batch)
		}
	}
	f.set.Dissolve(b)
	if !b.Void || f.set.Batch("O2") != nil || f.clock.Has(timers.SendBatch, "O2") {
		t.Error("a dissolved batch is still to be sent")
	}
}

func TestIntentNamesAgentAndResources(t *testing.T) {
	t.Parallel()
	f := newFixture()
	l := f.launch(f.set.NewBatch([]*offers.Offer{f.offer("O1", 0)}), "n1")
	in := l.Intent
	if in.TaskID != "n1" || in.AgentID != "S1" || in.Hostname != "host" || !slices.Equal(in.Ports, []int{31000}) || in.Resources.CPUs != 2 {
		t.Errorf("the intent is %+v", in)
	}
	if !l.CreatedAt.Equal(start) || l.Prepared {
		t.Errorf("the launch is %+v", l)
	}
}

func TestUnansweredIntentsAreCounted(t *testing.T) {
	t.Parallel()
	f := newFixture()
	b := f.set.NewBatch([]*offers.Offer{f.offer("O1", 0)})
	f.launch(b, "n1")
	f.launch(b, "n2")
	if f.set.Unanswered() != 2 || b.IsAnswered() || b.HasPrepared() {
		t.Errorf("%d intents are unanswered", f.set.Unanswered())
	}
	first := f.set.Answer("n1", launches.Payload{Name: "node"})
	if first == nil || f.set.Unanswered() != 1 || b.IsAnswered() {
		t.Errorf("after one answer %d are unanswered", f.set.Unanswered())
	}
	first.Prepared = true
	if !b.HasPrepared() {
		t.Error("nothing is prepared")
	}
	if f.set.Answer("n1", launches.Payload{}) != nil || f.set.Answer("unknown", launches.Payload{}) != nil {
		t.Error("a second answer, or one to nothing, counts")
	}
	f.set.Dissolve(b)
	if f.set.Answer("n2", launches.Payload{}) == nil || f.set.Unanswered() != 0 || !b.IsAnswered() {
		t.Error("the answer for a void batch does not count")
	}
}

func TestAbandonedLaunchIsKeptUntilItsEndIsRecorded(t *testing.T) {
	t.Parallel()
	f := newFixture()
	b := f.set.NewBatch([]*offers.Offer{f.offer("O1", 0)})
	l := f.launch(b, "n1")
	sent := f.launch(b, "n2")
	l.Prepared = true
	f.set.Abandon(l)
	f.set.Sent(sent)
	if l.Prepared || !f.set.IsAbandoned("n1") || f.set.IsAbandoned("n2") {
		t.Errorf("abandoned: n1 %v, n2 %v", f.set.IsAbandoned("n1"), f.set.IsAbandoned("n2"))
	}
	if f.set.Answer("n1", launches.Payload{}) != nil || f.set.Answer("n2", launches.Payload{}) != nil {
		t.Error("an answer is taken for a launch that has ended")
	}
	if f.set.TakeAbandoned("n1") != l || f.set.IsAbandoned("n1") || f.set.TakeAbandoned("n1") != nil {
		t.Error("it is not taken exactly once")
	}
}

func TestBatchesAreSorted(t *testing.T) {
	t.Parallel()
	f := newFixture()
	for _, id := range []string{"O3", "O1", "O2"} {
		f.set.NewBatch([]*offers.Offer{f.offer(id, 0)})
	}
	var got []string
	for _, b := range f.set.Batches() {
		got = append(got, b.ID)
	}
	if !slices.Equal(got, []string{"O1", "O2", "O3"}) {
		t.Errorf("the batches are %v", got)
	}
}

func TestTaskInfo(t *testing.T) {
	t.Parallel()
	in := &launches.Intent{TaskID: "n1", AgentID: "S1"}
	p := &launches.Payload{
		Name: "node", Data: []byte("secret"), Command: "./executor", URIs: []launches.URI{{Value: "http://x/executor", Executable: true}, {Value: "http://x/data"}},
		Overhead: placement.Resources{CPUs: 0.5}, Labels: map[string]string{"b": "2", "a": "1"}, KillGrace: time.Minute,
	}
	info, err := launches.TaskInfo("F1", in, p, []mesos.Resource{scalar("cpus", 4)})
	if err != nil {
		t.Fatal(err)
	}
	if info.TaskID.Value != "n1" || info.AgentID.Value != "S1" || string(info.Data) != "secret" || info.Executor.ExecutorID.Value != "n1" || info.Executor.FrameworkID.GetValue() != "F1" {
		t.Errorf("the task is %+v", info)
	}
	if task, executor := info.Resources[0].Scalar.Value, info.Executor.Resources[0].Scalar.Value; task != 3.5 || executor != 0.5 {
		t.Errorf("the task has %g cpus, its executor %g", task, executor)
	}
	if labels := info.Labels.Labels; len(labels) != 2 || labels[0].Key != "a" || labels[0].GetValue() != "1" || labels[1].Key != "b" {
		t.Errorf("the labels are %+v", info.Labels)
	}
	uris := info.Executor.Command.URIs
	if len(uris) != 2 || !uris[0].GetExecutable() || uris[1].GetExecutable() || uris[0].GetExtract() || uris[1].GetExtract() {
		t.Errorf("the URIs are %+v", uris)
	}
	if grace := info.KillPolicy.GracePeriod.Nanoseconds; grace != time.Minute.Nanoseconds() || info.Executor.ShutdownGracePeriod.Nanoseconds != grace {
		t.Errorf("KILL gives %d ns, SHUTDOWN %d", grace, info.Executor.ShutdownGracePeriod.Nanoseconds)
	}
}

func TestTaskInfoOmitsEmptyFields(t *testing.T) {
	t.Parallel()
	info, err := launches.TaskInfo("F1", &launches.Intent{TaskID: "n1"}, &launches.Payload{}, []mesos.Resource{scalar("cpus", 4)})
	if err != nil {
		t.Fatal(err)
	}
	if info.Labels != nil || info.Executor.Name != nil {
		t.Errorf("what is empty is sent: %v, %v", info.Labels, info.Executor.Name)
	}
}

func TestOverheadMustFitIntoTheResources(t *testing.T) {
	t.Parallel()
	p := &launches.Payload{Overhead: placement.Resources{CPUs: 8}}
	_, err := launches.TaskInfo("F1", &launches.Intent{TaskID: "n1"}, p, []mesos.Resource{scalar("cpus", 4)})
	if err == nil || !strings.Contains(err.Error(), "dividing the resources between executor and task") {
		t.Errorf("the error is %v", err)
	}
}

// The payload of each launch is its own, also when several go into one batch.
func TestLaunchesOfOneBatchKeepTheirPayloads(t *testing.T) {
	t.Parallel()
	f := newFixture()
	b := f.set.NewBatch([]*offers.Offer{f.offer("O1", 0)})
	for _, id := range []string{"n1", "n2"} {
		f.launch(b, id)
	}
	for _, id := range []string{"n2", "n1"} { // answered in any order
		f.set.Answer(id, launches.Payload{Name: "node-" + id})
	}
	for i, id := range []string{"n1", "n2"} {
		info, err := b.Launches[i].TaskInfo("F1")
		if err != nil || info.TaskID.Value != id || info.Name != "node-"+id || info.AgentID.Value != "S1" {
			t.Errorf("launch %d is %+v, %v", i, info, err)
		}
	}
}

// A task may be wanted again after its launch was abandoned: the new launch is answered,
// while the end of the old one is being recorded.
func TestNewLaunchOfATaskLeavesTheAbandonedOneAlone(t *testing.T) {
	t.Parallel()
	f := newFixture()
	old := f.launch(f.set.NewBatch([]*offers.Offer{f.offer("O1", 0)}), "n1")
	f.set.Answer("n1", launches.Payload{})
	f.set.Abandon(old)
	again := f.launch(f.set.NewBatch([]*offers.Offer{f.offer("O2", 0)}), "n1")
	if got := f.set.Answer("n1", launches.Payload{}); got != again {
		t.Errorf("the answer is for %p, want %p", got, again)
	}
	if got := f.set.TakeAbandoned("n1"); got != old {
		t.Errorf("the end is of %p, want %p", got, old)
	}
}

func TestIntentHasTheAttributesOfTheAgent(t *testing.T) {
	t.Parallel()
	role := "a"
	parsed, err := placement.ParseOffer(&mesos.Offer{
		ID: mesos.OfferID{Value: "O1"}, AgentID: mesos.AgentID{Value: "S1"}, Hostname: "host",
		AllocationInfo: &mesos.Resource_AllocationInfo{Role: &role},
		Attributes: []mesos.Attribute{
			{Name: "rack", Type: mesos.TEXT, Text: &mesos.Value_Text{Value: "r1"}},
			{Name: "slots", Type: mesos.RANGES, Ranges: &mesos.Value_Ranges{Range: []mesos.Value_Range{{Begin: 1, End: 5}}}},
		},
		Domain: &mesos.DomainInfo{FaultDomain: &mesos.DomainInfo_FaultDomain{
			Region: mesos.DomainInfo_FaultDomain_RegionInfo{Name: "eu"}, Zone: mesos.DomainInfo_FaultDomain_ZoneInfo{Name: "eu-1"},
		}},
	}, "")
	if err != nil {
		t.Fatal(err)
	}
	f := newFixture()
	f.offers.Add(start, parsed)
	in := f.launch(f.set.NewBatch([]*offers.Offer{f.offers.Get("O1")}), "n1").Intent
	if in.Attributes["rack"] != "r1" || in.Attributes["slots"] != "[1-5]" || in.Region != "eu" || in.Zone != "eu-1" {
		t.Errorf("the intent is %+v", in)
	}
}

// A payload that does not fit is known only when the task is made.
func TestLaunchWithTooMuchOverheadMakesNoTask(t *testing.T) {
	t.Parallel()
	f := newFixture()
	l := f.launch(f.set.NewBatch([]*offers.Offer{f.offer("O1", 0)}), "n1")
	f.set.Answer("n1", launches.Payload{Overhead: placement.Resources{CPUs: 3}}) // of 2
	if info, err := l.TaskInfo("F1"); err == nil {
		t.Errorf("it makes the task %+v", info)
	}
	if l.Prepared {
		t.Error("the answer alone makes it prepared")
	}
}
