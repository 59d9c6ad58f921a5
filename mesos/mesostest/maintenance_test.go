package mesostest

import (
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func inAnHour(agents ...*Agent) MaintenanceWindow {
	return MaintenanceWindow{Start: time.Now().Add(time.Hour), Duration: time.Minute, Agents: agents}
}

func (b *virtualCluster) inverseOffer() object {
	b.Helper()
	return fieldAt(b.next("INVERSE_OFFERS"), "inverse_offers", "inverse_offers", 0).(object)
}

func (b *virtualCluster) answer(call, field string, offer object, refuse float64) {
	b.call(call, object{field: object{
		"inverse_offer_ids": []any{offer["id"]}, "filters": object{"refuse_seconds": refuse},
	}})
}

func TestMaintenanceIsAnnounced(t *testing.T) {
	inVirtualTime(t, frameworkInfo("a"), AgentOptions{}, func(b *virtualCluster) {
		b.runTask("t")
		old := b.offerOf(b.agent)
		window := inAnHour(b.agent)
		if err := b.master.ScheduleMaintenance(window); err != nil {
			b.Fatal(err)
		}
		if id := fieldAt(b.next("RESCIND"), "rescind", "offer_id", "value"); id != fieldAt(old, "id", "value") {
			b.Errorf("rescinded %v, want %v", id, old)
		}
		for what, offer := range map[string]any{"offer": b.offers()[0], "inverse offer": b.inverseOffer()} {
			start := fieldAt(offer, "unavailability", "start", "nanoseconds")
			if diff := cmp.Diff(any(float64(window.Start.UnixNano())), start); diff != "" {
				b.Errorf("start of unavailability in the %s (-want +got):\n%s", what, diff)
			}
		}
		if err := b.master.ScheduleMaintenance(); err != nil {
			b.Fatal(err)
		}
		b.next("RESCIND_INVERSE_OFFER")
		if o := b.offers()[0]; fieldAt(o, "unavailability") != nil {
			b.Errorf("the window is over for operators, but not for %v", o)
		}
	})
}

func TestInverseOffersAreRepeated(t *testing.T) {
	for name, test := range map[string]struct{ call, field string }{
		"after they were declined": {"DECLINE_INVERSE_OFFERS", "decline_inverse_offers"},
		"after they were accepted": {"ACCEPT_INVERSE_OFFERS", "accept_inverse_offers"},
	} {
		t.Run(name, func(t *testing.T) {
			inVirtualTime(t, frameworkInfo("a"), AgentOptions{}, func(b *virtualCluster) {
				b.runTask("t")
				if err := b.master.ScheduleMaintenance(inAnHour(b.agent)); err != nil {
					b.Fatal(err)
				}
				first := b.inverseOffer()
				answered := time.Now()
				b.answer(test.call, test.field, first, 4)
				second := b.inverseOffer()
				if waited := time.Since(answered); waited < 4*time.Second {
					b.Errorf("came again after %s", waited)
				}
				if fieldAt(first, "id", "value") == fieldAt(second, "id", "value") {
					b.Errorf("got %v twice", first)
				}
			})
		})
	}
}

func TestInverseOffersGoToFrameworksOnTheAgent(t *testing.T) {
	inVirtualTime(t, frameworkInfo("a"), AgentOptions{}, func(b *virtualCluster) {
		offer := b.offerOf(b.agent)
		b.call("SUPPRESS", object{})
		b.call("DECLINE", object{"decline": object{"offer_ids": []any{fieldAt(offer, "id")}}})
		if err := b.master.ScheduleMaintenance(inAnHour(b.agent)); err != nil {
			b.Fatal(err)
		}
		b.wantNoUpdates(time.Minute)
	})
}

func TestMachineIsDown(t *testing.T) {
	inVirtualTime(t, frameworkInfo("a"), AgentOptions{}, func(b *virtualCluster) {
		b.runTask("t")
		if err := b.master.StartMaintenance(b.agent); err == nil {
			b.Error("started maintenance that was not planned")
		}
		if err := b.master.ScheduleMaintenance(inAnHour(b.agent)); err != nil {
			b.Fatal(err)
		}
		if err := b.master.StopMaintenance(b.agent); err == nil {
			b.Error("stopped maintenance that had not started")
		}
		if err := b.master.StartMaintenance(b.agent); err != nil {
			b.Fatal(err)
		}
		if lost := b.wantStates("TASK_LOST"); lost["reason"] != "REASON_AGENT_REMOVED" {
			b.Errorf("got %v", lost)
		}
		if err := b.master.ScheduleMaintenance(); err == nil {
			b.Error("a machine that is down could be dropped from the schedule")
		}
		time.Sleep(10 * time.Second)
		b.agent.Reconnect()
		if n := len(b.master.Agents()); n != 0 {
			b.Error("the agent registered though its machine is down")
		}
		if err := b.master.StopMaintenance(b.agent); err != nil {
			b.Fatal(err)
		}
		b.held = nil
		b.runTask("u")
	})
}

func TestMaintenanceCallsThatAreRefused(t *testing.T) {
	machine := `{"hostname": "agent-1.example", "ip": "127.0.0.11"}`
	schedule := func(windows string) string {
		return `{"type": "UPDATE_MAINTENANCE_SCHEDULE", "update_maintenance_schedule": {"schedule": {"windows": [` + windows + `]}}}`
	}
	for name, test := range map[string]struct{ call, want string }{
		"no schedule": {
			call: `{"type": "UPDATE_MAINTENANCE_SCHEDULE"}`,
			want: "Failed to validate master::Call: Expecting 'update_maintenance_schedule' to be present",
		},
		"a window without machines": {
			call: schedule(`{"machine_ids": [], "unavailability": {"start": {"nanoseconds": 1}}}`),
			want: "List of machines in the maintenance window is empty",
		},
		"a negative duration": {
			call: schedule(`{"machine_ids": [` + machine + `], "unavailability": {"start": {"nanoseconds": 1}, "duration": {"nanoseconds": -1}}}`),
			want: "Unavailability 'duration' is negative",
		},
		"a machine without any name": {
			call: schedule(`{"machine_ids": [{}], "unavailability": {"start": {"nanoseconds": 1}}}`),
			want: "Both 'hostname' and 'ip' for a machine are empty",
		},
		"a machine twice": {
			call: schedule(`{"machine_ids": [` + machine + "," + machine + `], "unavailability": {"start": {"nanoseconds": 1}}}`),
			want: `Machine '{"hostname":"agent-1.example","ip":"127.0.0.11"}' appears more than once in the schedule`,
		},
		"start without machines": {
			call: `{"type": "START_MAINTENANCE", "start_maintenance": {"machines": []}}`,
			want: "List of machines is empty",
		},
		"start of an unknown machine": {
			call: `{"type": "START_MAINTENANCE", "start_maintenance": {"machines": [{"hostname": "other"}]}}`,
			want: `Machine '{"hostname":"other"}' is not part of a maintenance schedule`,
		},
		"stop of a machine that is up": {
			call: `{"type": "STOP_MAINTENANCE", "stop_maintenance": {"machines": [` + machine + `]}}`,
			want: `Machine '{"hostname":"agent-1.example","ip":"127.0.0.11"}' is not in DOWN mode and cannot be brought up`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			inVirtualTime(t, frameworkInfo("a"), AgentOptions{Hostname: "agent-1.example"}, func(b *virtualCluster) {
				response := b.httpClient.post(b.master.URL()+pathOperator, nil, []byte(test.call))
				defer response.Body.Close()
				raw, err := io.ReadAll(response.Body)
				if err != nil {
					b.Fatal(err)
				}
				if diff := cmp.Diff(test.want, string(raw)); diff != "" || response.StatusCode != http.StatusBadRequest {
					b.Errorf("%s (-want +got):\n%s", response.Status, diff)
				}
			})
		})
	}
}
