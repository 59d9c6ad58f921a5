package mesostest

import (
	"context"
	"testing"
	"time"

	mesos "github.com/mesos/mesos-go/api/v1/lib"
	"github.com/mesos/mesos-go/api/v1/lib/encoding"
	"github.com/mesos/mesos-go/api/v1/lib/encoding/codecs"
	"github.com/mesos/mesos-go/api/v1/lib/httpcli"
	"github.com/mesos/mesos-go/api/v1/lib/httpcli/httpsched"
	schedulerpb "github.com/mesos/mesos-go/api/v1/lib/scheduler"
	"github.com/mesos/mesos-go/api/v1/lib/scheduler/calls"

	"github.com/k8sm/k8sm/mesos/mesostest/internal/resource"
)

// TestMesosGoClientRunsATask runs a task with another implementation's client, in both encodings.
func TestMesosGoClientRunsATask(t *testing.T) {
	for _, media := range []encoding.MediaType{codecs.MediaTypeProtobuf, codecs.MediaTypeJSON} {
		t.Run(codecs.ByMediaType[media].Name, func(t *testing.T) {
			m := startMaster(t, MasterOptions{Credentials: map[string]string{"me": "secret"}})
			startAgent(t, m, AgentOptions{Launcher: Func(AutoRun)})
			client := httpsched.NewCaller(httpcli.New(
				httpcli.Endpoint(m.URL()+pathScheduler),
				httpcli.Codec(codecs.ByMediaType[media]),
				httpcli.Do(httpcli.With(httpcli.BasicAuth("me", "secret"))),
			))
			ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
			defer cancel()
			runMesosGo(ctx, t, client)
		})
	}
}

func runMesosGo(ctx context.Context, t *testing.T, client calls.Caller) {
	t.Helper()
	timeout := 3600.0
	info := &mesos.FrameworkInfo{User: "root", Name: "test", FailoverTimeout: &timeout}
	response, err := client.Call(ctx, calls.Subscribe(info))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Close()
	frameworkID := ""
	call := func(c *schedulerpb.Call) {
		t.Helper()
		if err := calls.CallNoData(ctx, client, c.With(calls.Framework(frameworkID))); err != nil {
			t.Fatal(err)
		}
	}
	var states []mesos.TaskState
	for len(states) < 3 {
		var e schedulerpb.Event
		if err := response.Decode(&e); err != nil {
			t.Fatal(err)
		}
		switch e.Type {
		case schedulerpb.Event_SUBSCRIBED:
			frameworkID = e.Subscribed.FrameworkID.Value
		case schedulerpb.Event_OFFERS:
			o := e.Offers.Offers[0]
			call(calls.Accept(calls.OfferOperations{calls.OpLaunch(taskOf(o))}.WithOffers(o.ID)))
		case schedulerpb.Event_UPDATE:
			s := e.Update.Status
			states = append(states, s.GetState())
			call(calls.Acknowledge(s.AgentID.Value, s.TaskID.Value, s.UUID))
			if s.GetState() == mesos.TASK_RUNNING {
				call(calls.Kill(s.TaskID.Value, s.AgentID.Value))
			}
		}
	}
	want := [3]mesos.TaskState{mesos.TASK_STARTING, mesos.TASK_RUNNING, mesos.TASK_KILLED}
	if [3]mesos.TaskState(states) != want {
		t.Errorf("got %v, want %v", states, want)
	}
}

func taskOf(o mesos.Offer) mesos.TaskInfo {
	q := resource.QuantitiesOf()
	q.Scalars["cpus"], q.Scalars["mem"] = 1000, 64_000
	return mesos.TaskInfo{
		Name: "t", TaskID: mesos.TaskID{Value: "t"}, AgentID: o.AgentID, Resources: q.Messages("*", false),
		Executor: &mesos.ExecutorInfo{
			Type: mesos.ExecutorInfo_CUSTOM, ExecutorID: mesos.ExecutorID{Value: "e"}, Command: &mesos.CommandInfo{},
		},
	}
}
