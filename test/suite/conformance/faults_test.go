package conformance_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/k8sm/k8sm/test/suite/conformance"
)

// changeStatus replaces a status in the answers to calls of one type.
func changeStatus(callType string, from, to int) tamperProxy {
	return tamperProxy{answer: func(t string, a *reply) {
		if t == callType && a.status == from {
			a.status = to
		}
	}}
}

// dropCalls answers calls of one type with 202 and does not forward them.
func dropCalls(callType string) tamperProxy {
	return tamperProxy{call: func(t string, _ object) bool { return t != callType }}
}

// changeUpdates changes status updates. It drops an update if change returns false.
func changeUpdates(change func(status object) bool) tamperProxy {
	return tamperProxy{event: func(e object) bool { return e["type"] != "UPDATE" || change(objectAt(e, "update", "status")) }}
}

// renameState replaces a state in status updates.
func renameState(from, to string) tamperProxy {
	return changeUpdates(func(st object) bool {
		if st["state"] == from {
			st["state"] = to
		}
		return true
	})
}

// changeCalls changes calls of one type.
func changeCalls(callType string, change func(call object)) tamperProxy {
	return tamperProxy{call: func(t string, call object) bool {
		if t == callType {
			change(call)
		}
		return true
	}}
}

// changeTasks changes the tasks in ACCEPT.
func changeTasks(change func(task object)) tamperProxy {
	return changeCalls("ACCEPT", func(call object) {
		for _, op := range objectAt(call, "accept")["operations"].([]any) {
			for _, task := range objectAt(op.(object), "launch")["task_infos"].([]any) {
				change(task.(object))
			}
		}
	})
}

func executorOf(task object) object { return objectAt(task, "executor") }

// setFailureStatus sets the wait status in FAILURE events.
func setFailureStatus(status int) tamperProxy {
	return tamperProxy{event: func(e object) bool {
		if e["type"] == "FAILURE" {
			objectAt(e, "failure")["status"] = status
		}
		return true
	}}
}

// replaceInBody replaces text in the answers to calls of one type.
func replaceInBody(callType, from, to string) tamperProxy {
	return tamperProxy{answer: func(t string, a *reply) {
		if t == callType {
			a.body = strings.ReplaceAll(a.body, from, to)
		}
	}}
}

func setErrorMessage(message string) tamperProxy {
	return tamperProxy{event: func(e object) bool {
		if e["type"] == "ERROR" {
			objectAt(e, "error")["message"] = message
		}
		return true
	}}
}

// dropRepeatedUpdates drops updates whose uuid was seen before.
func dropRepeatedUpdates() tamperProxy {
	var mu sync.Mutex
	seen := map[any]bool{}
	return changeUpdates(func(st object) bool {
		mu.Lock()
		defer mu.Unlock()
		before := seen[st["uuid"]]
		seen[st["uuid"]] = true
		return st["uuid"] == nil || !before
	})
}

// dropOffersAfterKill drops all offers after the first KILL.
func dropOffersAfterKill() tamperProxy {
	var mu sync.Mutex
	killed := false
	return tamperProxy{
		call: func(t string, _ object) bool {
			mu.Lock()
			defer mu.Unlock()
			killed = killed || t == "KILL"
			return true
		},
		event: func(e object) bool {
			mu.Lock()
			defer mu.Unlock()
			return !killed || e["type"] != "OFFERS"
		},
	}
}

// taskExposer records the last launched task and inserts it into answers.
type taskExposer struct {
	mu   sync.Mutex
	task []byte
}

// recordTasks records each task that is launched.
func (l *taskExposer) recordTasks() tamperProxy {
	return changeTasks(func(task object) {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.task, _ = json.Marshal(task)
	})
}

// exposeByMaster inserts the task into the master's answers.
func (l *taskExposer) exposeByMaster() tamperProxy {
	x := l.recordTasks()
	x.answer = func(t string, a *reply) {
		l.mu.Lock()
		defer l.mu.Unlock()
		if t == "GET_EXECUTORS" {
			a.body = strings.Replace(a.body, "{", fmt.Sprintf(`{"task":%s,`, l.task), 1)
		}
	}
	return x
}

// ServeHTTP answers every call with the task, in the place of an agent.
func (l *taskExposer) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, _ = w.Write(l.task)
}

// faults maps the name of a check to the fault that must make it fail.
var faults = map[string]tamperProxy{
	"master/version":         replaceInBody("GET_VERSION", "1.11.1", "1.4.0"),
	"master/redirect":        {answer: func(t string, a *reply) { redirectMalformed(t, a) }},
	"master/unauthenticated": changeStatus("", http.StatusUnauthorized, http.StatusForbidden),

	"access/frameworks": changeStatus("", http.StatusUnauthorized, http.StatusBadRequest),
	"access/operators":  changeStatus("", http.StatusUnauthorized, http.StatusBadRequest),
	"access/executors":  {}, // the stand-in's agents serve everybody

	"subscribe/stream":    {stream: func(a *reply) { a.header.Del("Mesos-Stream-Id") }},
	"subscribe/protobuf":  {stream: func(a *reply) { a.header.Set("Content-Type", "application/json") }},
	"subscribe/stream-id": {headers: func(t string, h http.Header) { h.Del("Mesos-Stream-Id") }},
	"subscribe/bad-role":  {stream: func(a *reply) { a.status = http.StatusBadRequest }},
	"subscribe/heartbeats": {event: func(e object) bool {
		return e["type"] != "HEARTBEAT"
	}},
	"subscribe/media-type": changeStatus("", http.StatusUnsupportedMediaType, http.StatusBadRequest),
	"subscribe/bad-suppressed-role": changeCalls("SUBSCRIBE", func(call object) {
		delete(objectAt(call, "subscribe"), "suppressed_roles")
	}),
	"subscribe/other-principal": changeStatus("SUBSCRIBE", http.StatusBadRequest, http.StatusBadGateway),

	"call/accepted":              changeStatus("DECLINE", http.StatusAccepted, http.StatusOK),
	"call/malformed":             changeStatus("KILL", http.StatusBadRequest, http.StatusAccepted),
	"call/no-stream-id":          changeStatus("SUPPRESS", http.StatusBadRequest, http.StatusAccepted),
	"call/foreign-stream-id":     changeStatus("SUPPRESS", http.StatusBadRequest, http.StatusForbidden),
	"call/unknown-framework":     replaceInBody("SUPPRESS", "Framework cannot be found", "Unknown"),
	"call/disconnected":          changeStatus("SUPPRESS", http.StatusForbidden, http.StatusBadRequest),
	"call/update-framework":      changeCalls("UPDATE_FRAMEWORK", func(call object) { delete(objectAt(call, "update_framework"), "suppressed_roles") }),
	"call/update-framework-user": changeStatus("UPDATE_FRAMEWORK", http.StatusBadRequest, http.StatusOK),

	"identity/resubscribe": changeCalls("SUBSCRIBE", func(call object) {
		delete(call, "framework_id")
		delete(objectAt(call, "subscribe", "framework_info"), "id")
	}),
	"identity/failover": setErrorMessage("Another message"),
	"identity/removed":  setErrorMessage("Another message"),
	"identity/teardown": dropCalls("TEARDOWN"),
	"identity/adopted": changeCalls("SUBSCRIBE", func(call object) {
		delete(call, "framework_id")
		delete(objectAt(call, "subscribe", "framework_info"), "id")
	}),
	"identity/failover-timeout": changeCalls("SUBSCRIBE", func(call object) { objectAt(call, "subscribe", "framework_info")["failover_timeout"] = 60 }),
	"identity/kept-values":      replaceInBody("GET_FRAMEWORKS", `"user":"root"`, `"user":"k8sm-conformance"`),

	"offers/shape": {event: func(e object) bool {
		offers, _ := objectAt(e, "offers")["offers"].([]any)
		for _, o := range offers {
			delete(o.(object), "url")
		}
		return true
	}},
	"offers/suppress": dropCalls("SUPPRESS"),
	"offers/subscribe-forgets-suppress": changeCalls("SUBSCRIBE", func(call object) {
		objectAt(call, "subscribe")["suppressed_roles"] = objectAt(call, "subscribe", "framework_info")["roles"]
	}),
	"offers/suppressed-roles":      changeCalls("SUBSCRIBE", func(call object) { delete(objectAt(call, "subscribe"), "suppressed_roles") }),
	"offers/void-after-disconnect": renameState("TASK_DROPPED", "TASK_LOST"),
	"offers/one-void-voids-all": changeCalls("ACCEPT", func(call object) {
		accept := objectAt(call, "accept")
		accept["offer_ids"] = accept["offer_ids"].([]any)[:1]
	}),
	"offers/constraints":     changeCalls("SUBSCRIBE", func(call object) { delete(objectAt(call, "subscribe"), "offer_constraints") }),
	"offers/bad-constraints": changeCalls("SUBSCRIBE", func(call object) { delete(objectAt(call, "subscribe"), "offer_constraints") }),

	"filters/decline":       changeCalls("DECLINE", func(call object) { objectAt(call, "decline", "filters")["refuse_seconds"] = 0 }),
	"filters/decline-short": changeCalls("DECLINE", func(call object) { objectAt(call, "decline", "filters")["refuse_seconds"] = 600 }),
	"filters/accept":        changeCalls("ACCEPT", func(call object) { objectAt(call, "accept", "filters")["refuse_seconds"] = 0 }),

	"tasks/launch":         changeUpdates(func(st object) bool { delete(st, "uuid"); return true }),
	"tasks/repetition":     dropRepeatedUpdates(),
	"tasks/after-failover": dropRepeatedUpdates(),
	"tasks/finish":         changeUpdates(func(st object) bool { delete(st, "message"); return true }),
	"tasks/kill":           dropCalls("KILL"),
	"tasks/kill-policy":    changeTasks(func(task object) { objectAt(task, "kill_policy", "grace_period")["nanoseconds"] = 1 }),
	"tasks/freed":          dropOffersAfterKill(),

	"refusals/too-much":     renameState("TASK_ERROR", "TASK_FAILED"),
	"refusals/bad-id":       renameState("TASK_ERROR", "TASK_FAILED"),
	"refusals/duplicate-id": renameState("TASK_ERROR", "TASK_DROPPED"),
	"refusals/wrong-agent":  changeUpdates(func(st object) bool { delete(st, "reason"); return true }),
	"refusals/kill-unknown": renameState("TASK_GONE", "TASK_UNKNOWN"),

	"reconciliation/live":           changeReconciledState("TASK_STAGING"),
	"reconciliation/finished":       renameState("TASK_GONE", "TASK_UNKNOWN"),
	"reconciliation/unknown":        renameState("TASK_UNKNOWN", "TASK_GONE"),
	"reconciliation/implicit":       dropImplicitReconcile(),
	"reconciliation/unacknowledged": changeReconciledState("TASK_RUNNING"),

	"executors/environment":  setFailureStatus(52 << 8),
	"executors/exit":         setFailureStatus(3),
	"executors/missing-file": changeTasks(func(task object) { delete(objectAt(executorOf(task), "command"), "uris") }),
	"executors/output-file": changeTasks(func(task object) {
		for _, uri := range objectAt(executorOf(task), "command")["uris"].([]any) {
			delete(uri.(object), "output_file")
		}
	}),
	"executors/lifecycle":                changeTasks(func(task object) { delete(task, "data") }),
	"executors/kill-policy":              changeCalls("KILL", func(call object) { delete(objectAt(call, "kill"), "kill_policy") }),
	"executors/kill-before-subscription": dropCalls("KILL"),
	"executors/shutdown":                 dropCalls("SHUTDOWN"),
	"executors/unknown":                  {}, // the fault is in faultyAgents
	"secrets/master":                     new(taskExposer).exposeByMaster(),
	"secrets/agent":                      agentExposer.recordTasks(),
	"agents/capacity":                    replaceInBody("GET_AGENTS", "hostname", "name"),
	"agents/drain":                       renameState("TASK_KILLED", "TASK_LOST"),
	"agents/maintenance":                 {event: func(e object) bool { return e["type"] != "OFFERS" || hideUnavailability(e) }},
	"session/lifecycle":                  dropCalls("KILL"),
}

func redirectMalformed(callType string, a *reply) {
	if callType == "" && a.status == http.StatusBadRequest {
		a.status = http.StatusTemporaryRedirect
		a.header.Set("Location", "http://other.example:5050/")
	}
}

// dropImplicitReconcile drops calls of implicit reconciliation.
func dropImplicitReconcile() tamperProxy {
	return tamperProxy{call: func(t string, call object) bool {
		return t != "RECONCILE" || len(objectAt(call, "reconcile")["tasks"].([]any)) > 0
	}}
}

// changeReconciledState replaces the state in answers to reconciliation.
func changeReconciledState(state string) tamperProxy {
	return changeUpdates(func(st object) bool {
		if st["uuid"] == nil {
			st["state"] = state
		}
		return true
	})
}

// hideUnavailability removes the unavailability from offers.
func hideUnavailability(e object) bool {
	for _, o := range objectAt(e, "offers")["offers"].([]any) {
		delete(o.(object), "unavailability")
	}
	return true
}

var agentExposer taskExposer

// faultyAgents maps the name of a check to the agent that must make it fail.
var faultyAgents = map[string]http.Handler{
	"executors/unknown": http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}),
	"secrets/agent":     &agentExposer,
}

func TestEachCheckFailsOnItsFault(t *testing.T) {
	for _, name := range conformance.Names() {
		fault, ok := faults[name]
		if !ok {
			t.Errorf("%s has no fault that makes it fail", name)
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			master, options := standIn(t, map[string]string{"someone": "secret"}, nil)
			options.Principal, options.Secret = "someone", "secret"
			options.Masters = []string{fault.start(t, master.URL())}
			options.Only = regexp.MustCompile("^" + name + "$")
			options.Patience = 2 * time.Second
			if handler := faultyAgents[name]; handler != nil {
				options.Agents = replaceAgents(t, options.Agents, handler)
			}
			report := runChecks(t.Context(), t, options, func(conformance.Result) {})
			want := conformance.Fail
			if strings.HasPrefix(name, "access/") {
				want = conformance.Warn
			}
			if len(report.Results) != 1 || report.Results[0].Verdict != want {
				t.Errorf("the check did not fail: %+v", report.Results)
			}
		})
	}
}

// replaceAgents starts a server and returns its address for all agents.
func replaceAgents(t *testing.T, agents map[string]string, handler http.Handler) map[string]string {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	out := map[string]string{}
	for hostname := range agents {
		out[hostname] = server.Listener.Addr().String()
	}
	return out
}
