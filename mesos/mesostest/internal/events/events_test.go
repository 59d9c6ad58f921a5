package events_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	mesos "github.com/mesos/mesos-go/api/v1/lib"
	"github.com/mesos/mesos-go/api/v1/lib/executor"
	schedulerpb "github.com/mesos/mesos-go/api/v1/lib/scheduler"

	"github.com/k8sm/k8sm/mesos/mesostest/internal/codec"
	"github.com/k8sm/k8sm/mesos/mesostest/internal/events"
)

// Each event as clients read it.
func TestEventsInJSON(t *testing.T) {
	port := uint32(5050)
	grace := &mesos.KillPolicy{GracePeriod: &mesos.DurationInfo{Nanoseconds: 5}}
	running := mesos.TASK_RUNNING
	task := mesos.TaskInfo{Name: "n", TaskID: mesos.TaskID{Value: "t"}, AgentID: mesos.AgentID{Value: "a"}}
	const taskJSON = `{"name":"n","task_id":{"value":"t"},"agent_id":{"value":"a"}}`
	for name, test := range map[string]struct {
		event codec.Message
		want  string
	}{
		"a scheduler's heartbeat": {events.Heartbeat, `{"type":"HEARTBEAT"}`},
		"a scheduler is subscribed": {
			events.Subscribed("f", 15, &mesos.MasterInfo{ID: "m", Port: &port}),
			`{"type":"SUBSCRIBED","subscribed":{"framework_id":{"value":"f"},"heartbeat_interval_seconds":15.0,"master_info":{"id":"m","ip":0,"port":5050}}}`,
		},
		"an offer is rescinded":         {events.Rescind("o"), `{"type":"RESCIND","rescind":{"offer_id":{"value":"o"}}}`},
		"an inverse offer is rescinded": {events.RescindInverseOffer("o"), `{"type":"RESCIND_INVERSE_OFFER","rescind_inverse_offer":{"inverse_offer_id":{"value":"o"}}}`},
		"an error":                      {events.Error("Framework failed over"), `{"type":"ERROR","error":{"message":"Framework failed over"}}`},
		"an agent fails":                {events.Failure("a", "", 0), `{"type":"FAILURE","failure":{"agent_id":{"value":"a"}}}`},
		"an agent has no status":        {events.Failure("a", "", 9), `{"type":"FAILURE","failure":{"agent_id":{"value":"a"}}}`},
		"an executor ends well":         {events.Failure("a", "e", 0), `{"type":"FAILURE","failure":{"agent_id":{"value":"a"},"executor_id":{"value":"e"},"status":0}}`},
		"an executor is killed":         {events.Failure("a", "e", 9), `{"type":"FAILURE","failure":{"agent_id":{"value":"a"},"executor_id":{"value":"e"},"status":9}}`},
		"a message to a scheduler":      {events.Message("a", "e", []byte("x")), `{"type":"MESSAGE","message":{"agent_id":{"value":"a"},"executor_id":{"value":"e"},"data":"eA=="}}`},
		"a message to an executor":      {events.ExecutorMessage([]byte("x")), `{"type":"MESSAGE","message":{"data":"eA=="}}`},
		"a task is launched":            {events.Launch(task), `{"type":"LAUNCH","launch":{"task":` + taskJSON + `}}`},
		"a group of tasks is launched":  {events.LaunchGroup([]mesos.TaskInfo{task, task}), `{"type":"LAUNCH_GROUP","launch_group":{"task_group":{"tasks":[` + taskJSON + "," + taskJSON + `]}}}`},
		"a task is killed":              {events.Kill("t", nil), `{"type":"KILL","kill":{"task_id":{"value":"t"}}}`},
		"a task is killed with a grace": {events.Kill("t", grace), `{"type":"KILL","kill":{"task_id":{"value":"t"},"kill_policy":{"grace_period":{"nanoseconds":5}}}}`},
		"an update is acknowledged":     {events.Acknowledged("t", []byte{1, 2}), `{"type":"ACKNOWLEDGED","acknowledged":{"task_id":{"value":"t"},"uuid":"AQI="}}`},
		"an executor is to end":         {events.Shutdown, `{"type":"SHUTDOWN"}`},
		"an executor's heartbeat":       {events.ExecutorHeartbeat, `{"type":"HEARTBEAT"}`},
		"a status update":               {events.Update(mesos.TaskStatus{TaskID: mesos.TaskID{Value: "t"}, State: &running}), `{"type":"UPDATE","update":{"status":{"task_id":{"value":"t"},"state":"TASK_RUNNING"}}}`},
		"the status of an operation":    {events.OperationStatus(mesos.OperationStatus{State: mesos.OPERATION_FINISHED}), `{"type":"UPDATE_OPERATION_STATUS","update_operation_status":{"status":{"state":"OPERATION_FINISHED"}}}`},
		"an offer": {
			events.Offers([]mesos.Offer{{ID: mesos.OfferID{Value: "o"}, FrameworkID: mesos.FrameworkID{Value: "f"}, AgentID: mesos.AgentID{Value: "a"}, Hostname: "h"}}),
			`{"type":"OFFERS","offers":{"offers":[{"id":{"value":"o"},"framework_id":{"value":"f"},"agent_id":{"value":"a"},"hostname":"h"}]}}`,
		},
		"an inverse offer": {
			events.InverseOffers([]mesos.InverseOffer{{
				OfferID: mesos.OfferID{Value: "o"}, FrameworkID: mesos.FrameworkID{Value: "f"},
				Unavailability: mesos.Unavailability{Start: mesos.TimeInfo{Nanoseconds: 7}},
			}}),
			`{"type":"INVERSE_OFFERS","inverse_offers":{"inverse_offers":[{"id":{"value":"o"},"framework_id":{"value":"f"},"unavailability":{"start":{"nanoseconds":7}}}]}}`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := codec.Encode(codec.MediaJSON, test.event)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, string(got)); diff != "" {
				t.Errorf("event (-want +got):\n%s", diff)
			}
			if _, err := codec.Encode(codec.MediaProtobuf, test.event); err != nil {
				t.Errorf("in protobuf: %v", err)
			}
		})
	}
}

// An event means the same in protobuf: what is read from it is written in JSON as the event
// itself.
func TestEventsInProtobuf(t *testing.T) {
	status := mesos.TaskStatus{TaskID: mesos.TaskID{Value: "t"}, State: mesos.TASK_FAILED.Enum(), Message: new("m"), UUID: []byte{0, 255}}
	task := mesos.TaskInfo{Name: "n", TaskID: mesos.TaskID{Value: "t"}, AgentID: mesos.AgentID{Value: "a"}, Data: []byte("d")}
	for name, test := range map[string]struct{ event, empty codec.Message }{
		"SUBSCRIBED":              {events.Subscribed("f", 0.5, &mesos.MasterInfo{ID: "m", Port: new(uint32(5050))}), &schedulerpb.Event{}},
		"SUBSCRIBED of no master": {events.Subscribed("f", 15, nil), &schedulerpb.Event{}},
		"HEARTBEAT":               {events.Heartbeat, &schedulerpb.Event{}},
		"OFFERS":                  {events.Offers([]mesos.Offer{{Hostname: "h"}, {Hostname: "i"}}), &schedulerpb.Event{}},
		"RESCIND":                 {events.Rescind("o"), &schedulerpb.Event{}},
		"UPDATE":                  {events.Update(status), &schedulerpb.Event{}},
		"ERROR":                   {events.Error(""), &schedulerpb.Event{}},
		"FAILURE by a signal":     {events.Failure("a", "e", 9), &schedulerpb.Event{}},
		"FAILURE below zero":      {events.Failure("a", "e", -1), &schedulerpb.Event{}},
		"MESSAGE":                 {events.Message("a", "e", []byte{0, 1}), &schedulerpb.Event{}},
		"LAUNCH":                  {events.Launch(task), &executor.Event{}},
		"LAUNCH_GROUP":            {events.LaunchGroup([]mesos.TaskInfo{task}), &executor.Event{}},
		"KILL":                    {events.Kill("t", &mesos.KillPolicy{}), &executor.Event{}},
		"ACKNOWLEDGED":            {events.Acknowledged("t", []byte{1}), &executor.Event{}},
		"SHUTDOWN":                {events.Shutdown, &executor.Event{}},
	} {
		t.Run(name, func(t *testing.T) {
			raw, err := codec.Encode(codec.MediaProtobuf, test.event)
			if err != nil {
				t.Fatal(err)
			}
			if err := codec.Decode(codec.MediaProtobuf, raw, test.empty, "Event"); err != nil {
				t.Fatal(err)
			}
			var texts []string
			for _, event := range []codec.Message{test.event, test.empty} {
				text, err := codec.Encode(codec.MediaJSON, event)
				if err != nil {
					t.Fatal(err)
				}
				texts = append(texts, string(text))
			}
			if diff := cmp.Diff(texts[0], texts[1]); diff != "" {
				t.Errorf("event (-sent +read):\n%s", diff)
			}
		})
	}
}

// Streams of different clients send the same heartbeat at the same time.
func TestEventsDoNotShareWhatIsGivenToThem(t *testing.T) {
	first, second := events.Failure("a", "e", 1), events.Failure("b", "f", 2)
	if *first.Failure.Status != 1 || first.Failure.AgentID.Value != "a" || second.Failure.ExecutorID.Value != "f" {
		t.Errorf("got %v and %v", first, second)
	}
	interval := events.Subscribed("f", 1, nil)
	*interval.Subscribed.HeartbeatIntervalSeconds = 2
	if again := events.Subscribed("f", 1, nil); *again.Subscribed.HeartbeatIntervalSeconds != 1 {
		t.Error("two streams share their interval")
	}
}
