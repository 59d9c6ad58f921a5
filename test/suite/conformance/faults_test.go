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

// answers changes the status of the answers that have another one.
func answers(callType string, from, to int) tamper {
	return tamper{answer: func(t string, a *reply) {
		if t == callType && a.status == from {
			a.status = to
		}
	}}
}

// swallows a call, and answers that it was taken.
func swallows(callType string) tamper {
	return tamper{call: func(t string, _ object) bool { return t != callType }}
}

// statuses changes status updates; false drops one.
func statuses(change func(status object) bool) tamper {
	return tamper{event: func(e object) bool { return e["type"] != "UPDATE" || change(at(e, "update", "status")) }}
}

// renames a state.
func renames(from, to string) tamper {
	return statuses(func(st object) bool {
		if st["state"] == from {
			st["state"] = to
		}
		return true
	})
}

// calls changes calls of one type.
func calls(callType string, change func(call object)) tamper {
	return tamper{call: func(t string, call object) bool {
		if t == callType {
			change(call)
		}
		return true
	}}
}

// launches changes the tasks of ACCEPTs.
func launches(change func(task object)) tamper {
	return calls("ACCEPT", func(call object) {
		for _, op := range at(call, "accept")["operations"].([]any) {
			for _, task := range at(op.(object), "launch")["task_infos"].([]any) {
				change(task.(object))
			}
		}
	})
}

func executorOf(task object) object { return at(task, "executor") }

// failures changes FAILURE events.
func failures(status int) tamper {
	return tamper{event: func(e object) bool {
		if e["type"] == "FAILURE" {
			at(e, "failure")["status"] = status
		}
		return true
	}}
}

// bodies replaces text in the answers to a call.
func bodies(callType, from, to string) tamper {
	return tamper{answer: func(t string, a *reply) {
		if t == callType {
			a.body = strings.ReplaceAll(a.body, from, to)
		}
	}}
}

func errorsSay(message string) tamper {
	return tamper{event: func(e object) bool {
		if e["type"] == "ERROR" {
			at(e, "error")["message"] = message
		}
		return true
	}}
}

// secondTime drops a status that came before.
func secondTime() tamper {
	var mu sync.Mutex
	seen := map[any]bool{}
	return statuses(func(st object) bool {
		mu.Lock()
		defer mu.Unlock()
		before := seen[st["uuid"]]
		seen[st["uuid"]] = true
		return st["uuid"] == nil || !before
	})
}

// afterKill drops offers once a task was killed.
func afterKill() tamper {
	var mu sync.Mutex
	killed := false
	return tamper{
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

// leak knows the last task that was launched, and tells it to those who ask.
type leak struct {
	mu   sync.Mutex
	task []byte
}

// overhear has the leak learn of tasks.
func (l *leak) overhear() tamper {
	return launches(func(task object) {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.task, _ = json.Marshal(task)
	})
}

// master puts the task into the master's answers.
func (l *leak) master() tamper {
	x := l.overhear()
	x.answer = func(t string, a *reply) {
		l.mu.Lock()
		defer l.mu.Unlock()
		if t == "GET_EXECUTORS" {
			a.body = strings.Replace(a.body, "{", fmt.Sprintf(`{"task":%s,`, l.task), 1)
		}
	}
	return x
}

// ServeHTTP answers as an agent that tells everything.
func (l *leak) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, _ = w.Write(l.task)
}

// faults are by the name of the check that must fail with them.
var faults = map[string]tamper{
	"master/version":         bodies("GET_VERSION", "1.11.1", "1.4.0"),
	"master/redirect":        {answer: func(t string, a *reply) { redirects(t, a) }},
	"master/unauthenticated": answers("", http.StatusUnauthorized, http.StatusForbidden),

	"subscribe/stream":    {stream: func(a *reply) { a.header.Del("Mesos-Stream-Id") }},
	"subscribe/protobuf":  {stream: func(a *reply) { a.header.Set("Content-Type", "application/json") }},
	"subscribe/stream-id": {headers: func(t string, h http.Header) { h.Del("Mesos-Stream-Id") }},
	"subscribe/bad-role":  {stream: func(a *reply) { a.status = http.StatusBadRequest }},
	"subscribe/heartbeats": {event: func(e object) bool {
		return e["type"] != "HEARTBEAT"
	}},
	"subscribe/media-type": answers("", http.StatusUnsupportedMediaType, http.StatusBadRequest),
	"subscribe/bad-suppressed-role": calls("SUBSCRIBE", func(call object) {
		delete(at(call, "subscribe"), "suppressed_roles")
	}),
	"subscribe/other-principal": answers("SUBSCRIBE", http.StatusBadRequest, http.StatusBadGateway),

	"call/accepted":              answers("DECLINE", http.StatusAccepted, http.StatusOK),
	"call/malformed":             answers("KILL", http.StatusBadRequest, http.StatusAccepted),
	"call/no-stream-id":          answers("SUPPRESS", http.StatusBadRequest, http.StatusAccepted),
	"call/foreign-stream-id":     answers("SUPPRESS", http.StatusBadRequest, http.StatusForbidden),
	"call/unknown-framework":     bodies("SUPPRESS", "Framework cannot be found", "Who is that?"),
	"call/disconnected":          answers("SUPPRESS", http.StatusForbidden, http.StatusBadRequest),
	"call/update-framework":      calls("UPDATE_FRAMEWORK", func(call object) { delete(at(call, "update_framework"), "suppressed_roles") }),
	"call/update-framework-user": answers("UPDATE_FRAMEWORK", http.StatusBadRequest, http.StatusOK),

	"identity/resubscribe": calls("SUBSCRIBE", func(call object) {
		delete(call, "framework_id")
		delete(at(call, "subscribe", "framework_info"), "id")
	}),
	"identity/failover": errorsSay("Good bye"),
	"identity/removed":  errorsSay("Good bye"),
	"identity/teardown": swallows("TEARDOWN"),
	"identity/adopted": calls("SUBSCRIBE", func(call object) {
		delete(call, "framework_id")
		delete(at(call, "subscribe", "framework_info"), "id")
	}),
	"identity/failover-timeout": calls("SUBSCRIBE", func(call object) { at(call, "subscribe", "framework_info")["failover_timeout"] = 60 }),
	"identity/kept-values":      bodies("GET_FRAMEWORKS", `"user":"root"`, `"user":"k8sm-conformance"`),

	"offers/shape": {event: func(e object) bool {
		offers, _ := at(e, "offers")["offers"].([]any)
		for _, o := range offers {
			delete(o.(object), "url")
		}
		return true
	}},
	"offers/suppress": swallows("SUPPRESS"),
	"offers/subscribe-forgets-suppress": calls("SUBSCRIBE", func(call object) {
		at(call, "subscribe")["suppressed_roles"] = at(call, "subscribe", "framework_info")["roles"]
	}),
	"offers/suppressed-roles":      calls("SUBSCRIBE", func(call object) { delete(at(call, "subscribe"), "suppressed_roles") }),
	"offers/void-after-disconnect": renames("TASK_DROPPED", "TASK_LOST"),
	"offers/one-void-voids-all": calls("ACCEPT", func(call object) {
		accept := at(call, "accept")
		accept["offer_ids"] = accept["offer_ids"].([]any)[:1]
	}),
	"offers/constraints":     calls("SUBSCRIBE", func(call object) { delete(at(call, "subscribe"), "offer_constraints") }),
	"offers/bad-constraints": calls("SUBSCRIBE", func(call object) { delete(at(call, "subscribe"), "offer_constraints") }),

	"filters/decline":       calls("DECLINE", func(call object) { at(call, "decline", "filters")["refuse_seconds"] = 0 }),
	"filters/decline-short": calls("DECLINE", func(call object) { at(call, "decline", "filters")["refuse_seconds"] = 600 }),
	"filters/accept":        calls("ACCEPT", func(call object) { at(call, "accept", "filters")["refuse_seconds"] = 0 }),

	"tasks/launch":         statuses(func(st object) bool { delete(st, "uuid"); return true }),
	"tasks/repetition":     secondTime(),
	"tasks/after-failover": secondTime(),
	"tasks/finish":         statuses(func(st object) bool { delete(st, "message"); return true }),
	"tasks/kill":           swallows("KILL"),
	"tasks/kill-policy":    launches(func(task object) { at(task, "kill_policy", "grace_period")["nanoseconds"] = 1 }),
	"tasks/freed":          afterKill(),

	"refusals/too-much":     renames("TASK_ERROR", "TASK_FAILED"),
	"refusals/bad-id":       renames("TASK_ERROR", "TASK_FAILED"),
	"refusals/duplicate-id": renames("TASK_ERROR", "TASK_DROPPED"),
	"refusals/wrong-agent":  statuses(func(st object) bool { delete(st, "reason"); return true }),
	"refusals/kill-unknown": renames("TASK_GONE", "TASK_UNKNOWN"),

	"reconciliation/live":           reconciled("TASK_STAGING"),
	"reconciliation/finished":       renames("TASK_GONE", "TASK_UNKNOWN"),
	"reconciliation/unknown":        renames("TASK_UNKNOWN", "TASK_GONE"),
	"reconciliation/implicit":       implicitLost(),
	"reconciliation/unacknowledged": reconciled("TASK_RUNNING"),

	"executors/environment":              failures(52 << 8),
	"executors/exit":                     failures(3),
	"executors/missing-file":             launches(func(task object) { delete(at(executorOf(task), "command"), "uris") }),
	"executors/life":                     launches(func(task object) { delete(task, "data") }),
	"executors/kill-policy":              calls("KILL", func(call object) { delete(at(call, "kill"), "kill_policy") }),
	"executors/kill-before-subscription": swallows("KILL"),
	"executors/shutdown":                 swallows("SHUTDOWN"),
	"executors/strangers":                {}, // its agents are at fault
	"secrets/master":                     new(leak).master(),
	"secrets/agent":                      agentsLeak.overhear(),
	"agents/capacity":                    bodies("GET_AGENTS", "hostname", "name"),
	"agents/drain":                       renames("TASK_KILLED", "TASK_LOST"),
	"agents/maintenance":                 {event: func(e object) bool { return e["type"] != "OFFERS" || available(e) }},
	"session/life":                       swallows("KILL"),
}

func redirects(callType string, a *reply) {
	if callType == "" && a.status == http.StatusBadRequest {
		a.status = http.StatusTemporaryRedirect
		a.header.Set("Location", "http://elsewhere:5050/")
	}
}

// implicitLost has the master say nothing to implicit reconciliation.
func implicitLost() tamper {
	return tamper{call: func(t string, call object) bool {
		return t != "RECONCILE" || len(at(call, "reconcile")["tasks"].([]any)) > 0
	}}
}

// reconciled has the master tell a state that is not the last that was sent.
func reconciled(state string) tamper {
	return statuses(func(st object) bool {
		if st["uuid"] == nil {
			st["state"] = state
		}
		return true
	})
}

// available hides the unavailability of offers.
func available(e object) bool {
	for _, o := range at(e, "offers")["offers"].([]any) {
		delete(o.(object), "unavailability")
	}
	return true
}

var agentsLeak leak

// agents are by the name of the check that must fail with them.
var agents = map[string]http.Handler{
	"executors/strangers": http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}),
	"secrets/agent":       &agentsLeak,
}

func TestEachCheckFailsWhereItShould(t *testing.T) {
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
			options.Masters = []string{fault.before(t, master.URL())}
			options.Only = regexp.MustCompile("^" + name + "$")
			options.Patience = 2 * time.Second
			if handler := agents[name]; handler != nil {
				options.Agents = otherAgents(t, options.Agents, handler)
			}
			report := ask(t.Context(), t, options, func(conformance.Result) {})
			if len(report.Results) != 1 || report.Results[0].Verdict != conformance.Fail {
				t.Errorf("the check did not fail: %+v", report.Results)
			}
		})
	}
}

// otherAgents stand where the agents are looked for.
func otherAgents(t *testing.T, agents map[string]string, handler http.Handler) map[string]string {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	out := map[string]string{}
	for hostname := range agents {
		out[hostname] = server.Listener.Addr().String()
	}
	return out
}
