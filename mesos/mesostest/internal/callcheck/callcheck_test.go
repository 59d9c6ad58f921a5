package callcheck_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	mesos "github.com/mesos/mesos-go/api/v1/lib"
	"github.com/mesos/mesos-go/api/v1/lib/executor"
	"github.com/mesos/mesos-go/api/v1/lib/master"
	schedulerpb "github.com/mesos/mesos-go/api/v1/lib/scheduler"

	"github.com/k8sm/k8sm/mesos/mesostest/internal/callcheck"
)

// uuid is one of version 4.
var uuid = []byte("0123456\x4789abcdef")[:16]

func wantError(t *testing.T, err error, want string) {
	t.Helper()
	got := ""
	if err != nil {
		got = err.Error()
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("error (-want +got):\n%s", diff)
	}
}

var frameworkID = &mesos.FrameworkID{Value: "f"}

func subscribe(id, infoID *mesos.FrameworkID, principal string) *schedulerpb.Call {
	info := &mesos.FrameworkInfo{ID: infoID}
	if principal != "" {
		info.Principal = &principal
	}
	return &schedulerpb.Call{
		Type: schedulerpb.Call_SUBSCRIBE, FrameworkID: id,
		Subscribe: &schedulerpb.Call_Subscribe{FrameworkInfo: info},
	}
}

func TestSubscribeCalls(t *testing.T) {
	for name, test := range map[string]struct {
		call      *schedulerpb.Call
		principal string // that was authenticated
		want      string
	}{
		"a new framework":                    {call: subscribe(nil, nil, "")},
		"a framework with an ID":             {call: subscribe(frameworkID, frameworkID, "")},
		"an empty ID counts as no ID":        {call: subscribe(nil, &mesos.FrameworkID{}, "")},
		"without its message":                {call: &schedulerpb.Call{Type: schedulerpb.Call_SUBSCRIBE}, want: "Expecting 'subscribe' to be present"},
		"an ID only in the call":             {call: subscribe(frameworkID, nil, ""), want: "'framework_id' differs from 'subscribe.framework_info.id'"},
		"an ID only in the message":          {call: subscribe(nil, frameworkID, ""), want: "'framework_id' differs from 'subscribe.framework_info.id'"},
		"two different IDs":                  {call: subscribe(frameworkID, &mesos.FrameworkID{Value: "g"}, ""), want: "'framework_id' differs from 'subscribe.framework_info.id'"},
		"a principal without authentication": {call: subscribe(nil, nil, "p")},
		"the authenticated principal":        {call: subscribe(nil, nil, "p"), principal: "p"},
		"no principal with authentication":   {call: subscribe(nil, nil, ""), principal: "p"},
		"another principal": {
			call: subscribe(nil, nil, "q"), principal: "p",
			want: "Authenticated principal 'p' does not match principal 'q' set in `FrameworkInfo`",
		},
	} {
		t.Run(name, func(t *testing.T) {
			wantError(t, callcheck.Scheduler(test.call, test.principal), test.want)
		})
	}
}

func TestSchedulerCallsNeedTheirMessage(t *testing.T) {
	for callType, field := range map[schedulerpb.Call_Type]string{
		schedulerpb.Call_ACCEPT:                       "accept",
		schedulerpb.Call_DECLINE:                      "decline",
		schedulerpb.Call_ACCEPT_INVERSE_OFFERS:        "accept_inverse_offers",
		schedulerpb.Call_DECLINE_INVERSE_OFFERS:       "decline_inverse_offers",
		schedulerpb.Call_KILL:                         "kill",
		schedulerpb.Call_SHUTDOWN:                     "shutdown",
		schedulerpb.Call_ACKNOWLEDGE:                  "acknowledge",
		schedulerpb.Call_ACKNOWLEDGE_OPERATION_STATUS: "acknowledge_operation_status",
		schedulerpb.Call_RECONCILE:                    "reconcile",
		schedulerpb.Call_RECONCILE_OPERATIONS:         "reconcile_operations",
		schedulerpb.Call_MESSAGE:                      "message",
		schedulerpb.Call_REQUEST:                      "request",
		schedulerpb.Call_UPDATE_FRAMEWORK:             "update_framework",
		schedulerpb.Call_REVIVE:                       "",
		schedulerpb.Call_SUPPRESS:                     "",
		schedulerpb.Call_TEARDOWN:                     "",
	} {
		t.Run(callType.String(), func(t *testing.T) {
			want := ""
			if field != "" {
				want = "Expecting '" + field + "' to be present"
			}
			wantError(t, callcheck.Scheduler(&schedulerpb.Call{Type: callType, FrameworkID: frameworkID}, ""), want)
			wantError(t, callcheck.Scheduler(&schedulerpb.Call{Type: callType}, ""), "Expecting 'framework_id' to be present")
		})
	}
}

func TestSchedulerCalls(t *testing.T) {
	update := func(id string) *schedulerpb.Call {
		return &schedulerpb.Call{
			Type: schedulerpb.Call_UPDATE_FRAMEWORK, FrameworkID: frameworkID,
			UpdateFramework: &schedulerpb.Call_UpdateFramework{FrameworkInfo: mesos.FrameworkInfo{ID: &mesos.FrameworkID{Value: id}}},
		}
	}
	acknowledge := func(uuid string) *schedulerpb.Call {
		return &schedulerpb.Call{
			Type: schedulerpb.Call_ACKNOWLEDGE, FrameworkID: frameworkID,
			Acknowledge: &schedulerpb.Call_Acknowledge{UUID: []byte(uuid)},
		}
	}
	acknowledgeOperation := func(uuid, agent string) *schedulerpb.Call {
		message := &schedulerpb.Call_AcknowledgeOperationStatus{UUID: []byte(uuid)}
		if agent != "" {
			message.AgentID = &mesos.AgentID{Value: agent}
		}
		return &schedulerpb.Call{
			Type: schedulerpb.Call_ACKNOWLEDGE_OPERATION_STATUS, FrameworkID: frameworkID, AcknowledgeOperationStatus: message,
		}
	}
	for name, test := range map[string]struct {
		call *schedulerpb.Call
		want string
	}{
		"without a type":                                {&schedulerpb.Call{FrameworkID: frameworkID}, "Expecting 'type' to be present"},
		"an update of the framework":                    {update("f"), ""},
		"an update of another framework":                {update("g"), "'framework_id' differs from 'update_framework.framework_info.id'"},
		"an update without a framework ID":              {update(""), "'framework_id' differs from 'update_framework.framework_info.id'"},
		"an acknowledgement":                            {acknowledge(string(uuid)), ""},
		"random bytes are no UUID":                      {acknowledge(strings.Repeat("x", 16)), "Not a valid UUID"},
		"zeros are no UUID":                             {acknowledge(strings.Repeat("\x00", 16)), "Not a valid UUID"},
		"an acknowledgement without a UUID":             {acknowledge(""), "Not a valid UUID"},
		"a UUID that is too long":                       {acknowledge(strings.Repeat("x", 17)), "Not a valid UUID"},
		"an operation's acknowledgement":                {acknowledgeOperation(string(uuid), "a"), ""},
		"an operation's acknowledgement with bad UUID":  {acknowledgeOperation("x", "a"), "Not a valid UUID"},
		"an operation's acknowledgement without agent":  {acknowledgeOperation(string(uuid), ""), "Expecting 'agent_id' to be present"},
		"the UUID of an operation is checked before it": {acknowledgeOperation("", ""), "Not a valid UUID"},
	} {
		t.Run(name, func(t *testing.T) { wantError(t, callcheck.Scheduler(test.call, ""), test.want) })
	}
}

func TestOperatorCallsNeedTheirMessage(t *testing.T) {
	for callType, field := range map[master.Call_Type]string{
		master.Call_UNKNOWN:                     "type",
		master.Call_TEARDOWN:                    "teardown",
		master.Call_MARK_AGENT_GONE:             "mark_agent_gone",
		master.Call_DRAIN_AGENT:                 "drain_agent",
		master.Call_UPDATE_MAINTENANCE_SCHEDULE: "update_maintenance_schedule",
		master.Call_START_MAINTENANCE:           "start_maintenance",
		master.Call_STOP_MAINTENANCE:            "stop_maintenance",
		master.Call_UPDATE_QUOTA:                "update_quota",
		master.Call_UPDATE_WEIGHTS:              "update_weights",
		master.Call_RESERVE_RESOURCES:           "reserve_resources",
		master.Call_UNRESERVE_RESOURCES:         "unreserve_resources",
		master.Call_CREATE_VOLUMES:              "create_volumes",
		master.Call_DESTROY_VOLUMES:             "destroy_volumes",
		master.Call_GET_AGENTS:                  "",
		master.Call_GET_STATE:                   "",
		master.Call_GET_HEALTH:                  "",
		master.Call_DEACTIVATE_AGENT:            "deactivate_agent",
		master.Call_REACTIVATE_AGENT:            "reactivate_agent",
		master.Call_GET_METRICS:                 "get_metrics",
		master.Call_SET_LOGGING_LEVEL:           "set_logging_level",
		master.Call_LIST_FILES:                  "list_files",
		master.Call_READ_FILE:                   "read_file",
		master.Call_GROW_VOLUME:                 "grow_volume",
		master.Call_SHRINK_VOLUME:               "shrink_volume",
		master.Call_SET_QUOTA:                   "set_quota",
		master.Call_REMOVE_QUOTA:                "remove_quota",
	} {
		t.Run(callType.String(), func(t *testing.T) {
			want := ""
			if field != "" {
				want = "Expecting '" + field + "' to be present"
			}
			wantError(t, callcheck.Operator(&master.Call{Type: callType}), want)
		})
	}
	full := &master.Call{Type: master.Call_TEARDOWN, Teardown: &master.Call_Teardown{}}
	wantError(t, callcheck.Operator(full), "")
	other := &master.Call{Type: master.Call_TEARDOWN, MarkAgentGone: &master.Call_MarkAgentGone{}}
	wantError(t, callcheck.Operator(other), "Expecting 'teardown' to be present")
}

func TestExecutorCalls(t *testing.T) {
	for name, test := range map[string]struct {
		call executor.Call
		want string
	}{
		"without a type":                {executor.Call{}, "Expecting 'type' to be present"},
		"a heartbeat":                   {executor.Call{Type: executor.Call_HEARTBEAT}, ""},
		"SUBSCRIBE":                     {executor.Call{Type: executor.Call_SUBSCRIBE, Subscribe: &executor.Call_Subscribe{}}, ""},
		"SUBSCRIBE without its message": {executor.Call{Type: executor.Call_SUBSCRIBE}, "Expecting 'subscribe' to be present"},
		"MESSAGE":                       {executor.Call{Type: executor.Call_MESSAGE, Message: &executor.Call_Message{}}, ""},
		"MESSAGE without its message":   {executor.Call{Type: executor.Call_MESSAGE}, "Expecting 'message' to be present"},
		"UPDATE without its message":    {executor.Call{Type: executor.Call_UPDATE}, "Expecting 'update' to be present"},
	} {
		t.Run(name, func(t *testing.T) { wantError(t, callcheck.Executor(&test.call), test.want) })
	}
}

func TestUpdatesOfExecutors(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*mesos.TaskStatus)
		want   string
	}{
		"a valid update":               {func(*mesos.TaskStatus) {}, ""},
		"with the executor's ID":       {func(s *mesos.TaskStatus) { s.ExecutorID = &mesos.ExecutorID{Value: "e"} }, ""},
		"without a UUID":               {func(s *mesos.TaskStatus) { s.UUID = nil }, "Expecting 'uuid' to be present"},
		"with half a UUID":             {func(s *mesos.TaskStatus) { s.UUID = s.UUID[:8] }, "Not a valid UUID"},
		"with random bytes as UUID":    {func(s *mesos.TaskStatus) { s.UUID = []byte(strings.Repeat("\xff", 16)) }, "Not a valid UUID"},
		"with an empty UUID":           {func(s *mesos.TaskStatus) { s.UUID = []byte{} }, "Not a valid UUID"},
		"of another executor":          {func(s *mesos.TaskStatus) { s.ExecutorID = &mesos.ExecutorID{Value: "x"} }, "ExecutorID in Call: e does not match ExecutorID in TaskStatus: x"},
		"without a source":             {func(s *mesos.TaskStatus) { s.Source = nil }, "Received Call from executor e of framework f with invalid source, expecting 'SOURCE_EXECUTOR'"},
		"with the source of the agent": {func(s *mesos.TaskStatus) { s.Source = mesos.SOURCE_AGENT.Enum() }, "Received Call from executor e of framework f with invalid source, expecting 'SOURCE_EXECUTOR'"},
		"with a check's status of no type": {
			func(s *mesos.TaskStatus) { s.CheckStatus = &mesos.CheckStatusInfo{} },
			"CheckStatusInfo must specify 'type'",
		},
		"with a check's status of an unknown type": {
			func(s *mesos.TaskStatus) {
				s.CheckStatus = &mesos.CheckStatusInfo{Type: mesos.CheckInfo_UNKNOWN.Enum()}
			},
			"'UNKNOWN' is not a valid check's status type",
		},
		"with the status of a COMMAND check": {
			func(s *mesos.TaskStatus) {
				s.CheckStatus = &mesos.CheckStatusInfo{Type: mesos.CheckInfo_COMMAND.Enum(), Command: &mesos.CheckStatusInfo_Command{}}
			},
			"",
		},
		"with a COMMAND check's status without its message": {
			func(s *mesos.TaskStatus) {
				s.CheckStatus = &mesos.CheckStatusInfo{Type: mesos.CheckInfo_COMMAND.Enum()}
			},
			"Expecting 'command' to be set for COMMAND check's status",
		},
		"with an HTTP check's status without its message": {
			func(s *mesos.TaskStatus) { s.CheckStatus = &mesos.CheckStatusInfo{Type: mesos.CheckInfo_HTTP.Enum()} },
			"Expecting 'http' to be set for HTTP check's status",
		},
		"with a TCP check's status without its message": {
			func(s *mesos.TaskStatus) { s.CheckStatus = &mesos.CheckStatusInfo{Type: mesos.CheckInfo_TCP.Enum()} },
			"Expecting 'tcp' to be set for TCP check's status",
		},
		"with TASK_STAGING": {func(s *mesos.TaskStatus) { s.State = mesos.TASK_STAGING.Enum() }, "Received TASK_STAGING from executor e of framework f which is not allowed"},
	} {
		t.Run(name, func(t *testing.T) {
			status := mesos.TaskStatus{
				TaskID: mesos.TaskID{Value: "t"}, State: mesos.TASK_RUNNING.Enum(),
				Source: mesos.SOURCE_EXECUTOR.Enum(), UUID: slices.Clone(uuid),
			}
			test.change(&status)
			call := &executor.Call{
				Type: executor.Call_UPDATE, ExecutorID: mesos.ExecutorID{Value: "e"}, FrameworkID: mesos.FrameworkID{Value: "f"},
				Update: &executor.Call_Update{Status: status},
			}
			wantError(t, callcheck.Executor(call), test.want)
		})
	}
}
