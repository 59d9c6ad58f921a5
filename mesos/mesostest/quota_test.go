package mesostest

import (
	"encoding/json"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// operator makes a call of the operator API, and returns the status and the answer.
func (c httpClient) operator(m *Master, callType string, fields object) (int, object) {
	c.t.Helper()
	body := object{"type": callType}
	for name, field := range fields {
		body[name] = field
	}
	response := c.post(m.URL()+pathOperator, nil, body)
	defer response.Body.Close()
	raw, err := io.ReadAll(response.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	var answer object
	_ = json.Unmarshal(raw, &answer) // an error's text is none
	return response.StatusCode, answer
}

// cpusOffered within some passes of the allocator, in all offers that come.
func (b *virtualCluster) cpusOffered(s *testScheduler) float64 {
	b.Helper()
	sum := 0.0
	for _, event := range s.drain(3 * time.Second) {
		if offers, ok := fieldAt(event, "offers", "offers").([]any); ok {
			for _, o := range offers {
				sum += cpusOf(o)
			}
		}
	}
	return sum
}

func quotaConfig(role string, fields object) object {
	fields["role"] = role
	return object{"update_quota": object{"quota_configs": []object{fields}}}
}

func cpus(n float64) object { return object{"cpus": object{"value": n}} }

func TestQuota(t *testing.T) {
	for name, test := range map[string]struct {
		quota object
		a, b  float64 // cpus that a framework in each role is offered, a the first
	}{
		"without quotas the first framework is offered all": {nil, 4, 0},
		"a limit leaves the rest to others":                 {quotaConfig("a", object{"limits": cpus(1)}), 1, 3},
		"a limit of 0":                                      {quotaConfig("a", object{"limits": cpus(0)}), 0, 4},
		"a guarantee is held back":                          {quotaConfig("b", object{"guarantees": cpus(3)}), 1, 3},
		"a guarantee with a limit": {
			quotaConfig("b", object{"guarantees": cpus(1), "limits": cpus(1)}), 3, 1,
		},
	} {
		t.Run(name, func(t *testing.T) {
			inVirtualTime(t, frameworkInfo("unused"), AgentOptions{Resources: "cpus:4;mem:4096"}, func(b *virtualCluster) {
				b.call("TEARDOWN", nil)
				if test.quota != nil {
					if status, _ := b.operator(b.master, "UPDATE_QUOTA", test.quota); status != http.StatusOK {
						t.Fatalf("got %d", status)
					}
				}
				first := subscribeThrough(b.httpClient, b.master, frameworkInfo("a"))
				gotA := b.cpusOffered(first)
				second := subscribeThrough(b.httpClient, b.master, frameworkInfo("b"))
				gotB := b.cpusOffered(second)
				if gotA != test.a || gotB != test.b {
					t.Errorf("got %v and %v, want %v and %v", gotA, gotB, test.a, test.b)
				}
			})
		})
	}
}

func TestWeights(t *testing.T) {
	inVirtualTime(t, frameworkInfo("unused"), AgentOptions{}, func(b *virtualCluster) {
		b.call("TEARDOWN", nil)
		weights := object{"update_weights": object{"weight_infos": []object{{"role": "b", "weight": 2}}}}
		if status, _ := b.operator(b.master, "UPDATE_WEIGHTS", weights); status != http.StatusOK {
			t.Fatalf("got %d", status)
		}
		b.agent.Disconnect()
		first := subscribeThrough(b.httpClient, b.master, frameworkInfo("a"))
		second := subscribeThrough(b.httpClient, b.master, frameworkInfo("b"))
		for range 3 {
			startAgent(t, b.master, AgentOptions{Launcher: Func(AutoRun)})
		}
		gotA, gotB := b.cpusOffered(first), b.cpusOffered(second)
		if gotA != 4 || gotB != 8 {
			t.Errorf("got %v and %v, want a third and twice as much", gotA, gotB)
		}
	})
}

// reserve is an ACCEPT of the offer that reserves a cpu for the role.
func (s *testScheduler) reserve(offer any, role string) {
	s.call("ACCEPT", object{"accept": object{
		"offer_ids": []any{fieldAt(offer, "id")},
		"operations": []object{{
			"type": "RESERVE", "id": value("op"),
			"reserve": object{"resources": []object{reservedCPU(role)}},
		}},
		"filters": object{"refuse_seconds": 0},
	}})
}

func reservedCPU(role string) object {
	r := scalar("cpus", 1)
	r["reservations"] = []object{{"type": "DYNAMIC", "role": role, "principal": ""}}
	return r
}

func TestReservationsAreForTheirRole(t *testing.T) {
	inVirtualTime(t, frameworkInfo("a"), AgentOptions{Resources: "cpus:4;mem:4096"}, func(b *virtualCluster) {
		b.reserve(b.offerOf(b.agent), "a")
		if state := fieldAt(b.next("UPDATE_OPERATION_STATUS"), "update_operation_status", "status", "state"); state != "OPERATION_FINISHED" {
			t.Fatalf("got %v", state)
		}
		b.call("TEARDOWN", nil)
		other := subscribeThrough(b.httpClient, b.master, frameworkInfo("b"))
		if got := b.cpusOffered(other); got != 3 {
			t.Errorf("another role was offered %v", got)
		}
		other.call("TEARDOWN", nil)
		own := subscribeThrough(b.httpClient, b.master, frameworkInfo("a/below"))
		var got []string
		for _, r := range fieldAt(own.offers()[0], "resources").([]any) {
			raw, _ := json.Marshal(fieldAt(r, "reservations"))
			got = append(got, fieldAt(r, "name").(string)+" "+string(raw))
		}
		want := []string{`cpus [{"principal":"","role":"a","type":"DYNAMIC"}]`, "cpus null", "mem null"}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("a role below it (-want +got):\n%s", diff)
		}
	})
}

func TestReservationsByOperators(t *testing.T) {
	inVirtualTime(t, frameworkInfo("a"), AgentOptions{Resources: "cpus:4;mem:4096"}, func(b *virtualCluster) {
		b.offerOf(b.agent)
		reserve := func(r object) int {
			status, _ := b.operator(b.master, "RESERVE_RESOURCES", object{"reserve_resources": object{
				"agent_id": value(b.agent.ID()), "resources": []object{r},
			}})
			return status
		}
		if status := reserve(reservedCPU("b")); status != http.StatusAccepted {
			t.Errorf("got %d", status)
		}
		b.next("RESCIND")
		tooMuch := reservedCPU("b")
		tooMuch["scalar"] = object{"value": 100}
		if status := reserve(tooMuch); status != http.StatusConflict {
			t.Errorf("got %d of too much", status)
		}
		if got := b.cpusOffered(b.testScheduler); got != 0 {
			t.Errorf("%v cpus were offered again at once", got)
		}
		if got := b.cpusOffered(b.testScheduler); got != 3 {
			t.Errorf("%v cpus were offered later", got)
		}
	})
}

func TestQuotasAndWeightsOutliveTheLeader(t *testing.T) {
	inMasterCluster(t, MasterOptions{AgentReturn: 10 * time.Second}, func(b *masterCluster) {
		b.s.reserve(b.s.offerOf(b.agents[1]), "a")
		update := fieldAt(b.s.next("UPDATE_OPERATION_STATUS"), "update_operation_status", "status").(object) // not acknowledged
		b.wire.operator(b.masters.Leader(), "UPDATE_QUOTA", quotaConfig("x", object{"limits": cpus(1)}))
		time.Sleep(time.Second)
		b.masters.Elect(1)
		b.resubscribe()

		if _, answer := b.wire.operator(b.masters.Leader(), "GET_QUOTA", nil); fieldAt(answer, "get_quota", "status", "configs", 0, "role") != "x" {
			t.Errorf("got %v", answer)
		}
		ask := func(id string) any {
			b.s.call("RECONCILE_OPERATIONS", object{"reconcile_operations": object{"operations": []object{
				{"operation_id": value(id), "agent_id": value(b.agents[1].ID())},
			}}})
			return fieldAt(b.s.next("UPDATE_OPERATION_STATUS"), "update_operation_status", "status", "state")
		}
		if state := ask("op"); state != "OPERATION_RECOVERING" {
			t.Errorf("got %v while the agent is away", state)
		}
		time.Sleep(10 * time.Second)
		again := fieldAt(b.s.next("UPDATE_OPERATION_STATUS"), "update_operation_status", "status").(object)
		if diff := cmp.Diff(update, again); diff != "" {
			t.Errorf("the operation's update, again (-want +got):\n%s", diff)
		}
		if state := ask("op"); state != "OPERATION_FINISHED" {
			t.Errorf("got %v", state)
		}
		b.s.call("ACKNOWLEDGE_OPERATION_STATUS", object{"acknowledge_operation_status": object{
			"agent_id": again["agent_id"], "operation_id": again["operation_id"], "uuid": fieldAt(again, "uuid", "value"),
		}})
		if state := ask("op"); state != "OPERATION_UNKNOWN" {
			t.Errorf("got %v once it was acknowledged", state)
		}
		found := false
		for _, r := range fieldAt(b.s.offerOf(b.agents[1]), "resources").([]any) {
			if reservations, ok := fieldAt(r, "reservations").([]any); ok {
				found = found || fieldAt(reservations[0], "role") == "a"
			}
		}
		if !found {
			t.Error("the reservation is gone")
		}
	})
}

func TestReservationsInTheOldFormat(t *testing.T) {
	old := frameworkInfo("a")
	old["capabilities"] = []object{{"type": "MULTI_ROLE"}}
	inVirtualTime(t, old, AgentOptions{Resources: "cpus:4;mem:4096"}, func(b *virtualCluster) {
		b.offerOf(b.agent)
		b.operator(b.master, "RESERVE_RESOURCES", object{"reserve_resources": object{
			"agent_id": value(b.agent.ID()), "resources": []object{reservedCPU("a")},
		}})
		b.next("RESCIND")
		offer := b.offerOf(b.agent)
		var got []any
		for _, r := range fieldAt(offer, "resources").([]any) {
			delete(r.(object), "allocation_info")
			got = append(got, r)
		}
		want := []any{
			object{"name": "cpus", "type": "SCALAR", "scalar": object{"value": 1.0}, "role": "a", "reservation": object{"principal": ""}},
			object{"name": "cpus", "type": "SCALAR", "scalar": object{"value": 3.0}, "role": "*"},
			object{"name": "mem", "type": "SCALAR", "scalar": object{"value": 4096.0}, "role": "*"},
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("offered (-want +got):\n%s", diff)
		}
	})
}
