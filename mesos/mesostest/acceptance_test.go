package mesostest

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// Tasks that a master refuses, with its reasons.
func TestTasksThatAreRefused(t *testing.T) {
	for name, test := range map[string]struct {
		change  func(task object)
		message string
	}{
		"no ID":                        {func(task object) { task["task_id"] = value("") }, "ID must not be empty"},
		"an ID with a slash":           {func(task object) { task["task_id"] = value("a/b") }, "'a/b' contains invalid characters"},
		"an agent ID of another agent": {func(task object) { task["agent_id"] = value("else") }, "Task uses invalid agent else while agent AGENT is expected"},
		"no resources":                 {func(task object) { task["resources"] = []object{} }, "Task uses no resources"},
		"neither command nor executor": {
			func(task object) { delete(task, "executor") },
			"Task should have at least one (but not both) of CommandInfo or ExecutorInfo present",
		},
		"both command and executor": {
			func(task object) { task["command"] = object{"value": "true"} },
			"Task should have at least one (but not both) of CommandInfo or ExecutorInfo present",
		},
		"an executor without an ID": {
			func(task object) { task["executor"].(object)["executor_id"] = value("") },
			"ID must not be empty",
		},
		"an executor of another framework": {
			func(task object) { task["executor"].(object)["framework_id"] = value("else") },
			"ExecutorInfo has an invalid FrameworkID (Actual: else vs Expected: FRAMEWORK)",
		},
		"an executor without a command": {
			func(task object) { delete(task["executor"].(object), "command") },
			"'ExecutorInfo.command' must be set for 'CUSTOM' executor",
		},
		"more resources than offered": {
			func(task object) { task["resources"] = []object{scalar("cpus", 4), scalar("mem", 32)} },
			"Total resources cpus(allocated: a):4; mem(allocated: a):32; cpus(allocated: a):0.1; mem(allocated: a):32 required by task and its executor " +
				"is more than available ports(allocated: a):[31000-32000]; cpus(allocated: a):4; mem(allocated: a):8192; disk(allocated: a):20000",
		},
		"resources of another role": {
			func(task object) {
				cpus := scalar("cpus", 0.1)
				cpus["allocation_info"] = object{"role": "b"}
				task["resources"] = []object{cpus}
			},
			"Total resources cpus(allocated: b):0.1; cpus(allocated: a):0.1; mem(allocated: a):32 required by task and its executor " +
				"is more than available ports(allocated: a):[31000-32000]; cpus(allocated: a):4; mem(allocated: a):8192; disk(allocated: a):20000",
		},
	} {
		t.Run(name, func(t *testing.T) {
			inVirtualTime(t, frameworkInfo("a"), AgentOptions{}, func(b *virtualCluster) {
				offer := b.offerOf(b.agent)
				task := executorTask(offer, "t", "executor")
				test.change(task)
				b.launch(offer, 0, task)
				status := b.update()
				if status["state"] != "TASK_ERROR" || status["reason"] != "REASON_TASK_INVALID" || status["source"] != "SOURCE_MASTER" {
					b.Errorf("got %v", status)
				}
				want := strings.NewReplacer("AGENT", b.agent.ID(), "FRAMEWORK", b.frameworkID).Replace(test.message)
				if diff := cmp.Diff(want, status["message"]); diff != "" {
					b.Errorf("message (-want +got):\n%s", diff)
				}
				if next := b.offerOf(b.agent); cpusOf(next) != 4 {
					b.Errorf("%v cpus are offered again, want all", cpusOf(next))
				}
			})
		})
	}
}

// An invalid task does not keep the others of its operation from running.
func TestValidTasksRunBesideInvalidOnes(t *testing.T) {
	inVirtualTime(t, frameworkInfo("a"), AgentOptions{}, func(b *virtualCluster) {
		offer := b.offerOf(b.agent)
		bad, good := executorTask(offer, "bad", "executor"), executorTask(offer, "good", "executor")
		bad["resources"] = []object{}
		b.launch(offer, 0, bad, good)
		b.wantStates("TASK_ERROR", "TASK_STARTING", "TASK_RUNNING")
	})
}

func TestTaskIDsAreUsedOnceAtATime(t *testing.T) {
	inVirtualTime(t, frameworkInfo("a"), AgentOptions{}, func(b *virtualCluster) {
		offer := b.offerOf(b.agent)
		b.launch(offer, 0, executorTask(offer, "t", "executor"))
		b.wantStates("TASK_STARTING", "TASK_RUNNING")
		offer = b.offerOf(b.agent)
		b.launch(offer, 0, executorTask(offer, "t", "executor"))
		if status := b.wantStates("TASK_ERROR"); status["message"] != "Task has duplicate ID: t" {
			b.Errorf("got %v", status["message"])
		}
		b.kill("t")
		b.wantStates("TASK_KILLED")
		offer = b.offerOf(b.agent)
		b.launch(offer, 0, executorTask(offer, "t", "executor"))
		b.wantStates("TASK_STARTING", "TASK_RUNNING")
	})
}

func TestAcceptOfInvalidOffers(t *testing.T) {
	inVirtualTime(t, frameworkInfo("a"), AgentOptions{}, func(b *virtualCluster) {
		offer := b.offerOf(b.agent)
		id := fieldAt(offer, "id", "value").(string)
		accept := func(ids ...string) object {
			var offers []object
			for _, id := range ids {
				offers = append(offers, value(id))
			}
			b.call("ACCEPT", object{"accept": object{
				"offer_ids":  offers,
				"operations": []object{{"type": "LAUNCH", "launch": object{"task_infos": []object{executorTask(offer, "t", "executor")}}}},
				"filters":    object{"refuse_seconds": 0},
			}})
			return b.update()
		}
		for _, step := range []struct {
			offers  []string
			message string
		}{
			{[]string{"unknown"}, "Task launched with invalid offers: Offer unknown is no longer valid"},
			{[]string{id, id}, "Task launched with invalid offers: Duplicate offer " + id + " in offer list"},
			{[]string{id}, "Task launched with invalid offers: Offer " + id + " is no longer valid"}, // it was void with the last call
		} {
			status := accept(step.offers...)
			if status["state"] != "TASK_DROPPED" || status["reason"] != "REASON_INVALID_OFFERS" || status["message"] != step.message {
				b.Errorf("%v: got %v", step.offers, status)
			}
		}
		if again := b.offerOf(b.agent); cpusOf(again) != 4 {
			b.Errorf("%v cpus are offered again, want all", cpusOf(again))
		}
	})
}

// What was accepted and not used is free again, and kept from the framework for the time
// of its filters.
func TestRestOfAnAcceptedOffer(t *testing.T) {
	for name, test := range map[string]struct {
		refuse float64
		wait   time.Duration
		want   bool
	}{
		"without a filter":            {0, 3 * time.Second, true},
		"before its filter has ended": {60, 50 * time.Second, false},
		"after its filter has ended":  {60, 65 * time.Second, true},
	} {
		t.Run(name, func(t *testing.T) {
			inVirtualTime(t, frameworkInfo("a"), AgentOptions{}, func(b *virtualCluster) {
				offer := b.offerOf(b.agent)
				b.launch(offer, test.refuse, executorTask(offer, "t", "executor"))
				b.wantStates("TASK_STARTING", "TASK_RUNNING")
				sum := 0.0
				for _, event := range b.drain(test.wait) {
					if offers, ok := fieldAt(event, "offers", "offers").([]any); ok {
						for _, o := range offers {
							sum += cpusOf(o)
						}
					}
				}
				for _, o := range b.held {
					sum += cpusOf(o)
				}
				if got := sum > 0; got != test.want || got && sum != 3.8 {
					b.Errorf("%v cpus are offered", sum)
				}
			})
		})
	}
}

// A resource of a wrong form makes a master refuse the whole operation, valid tasks included.
func TestInvalidResourcesRefuseTheOperation(t *testing.T) {
	for name, test := range map[string]struct {
		resource object
		want     string
	}{
		"a negative amount": {scalar("cpus", -1), "Resource 'cpus:-1' is invalid: Invalid scalar resource: value <= 0"},
		"no name":           {scalar("", 1), "Resource ':1' is invalid: Empty resource name"},
		"reverse ports": {
			object{"name": "ports", "type": "RANGES", "ranges": object{"range": []object{{"begin": 31001, "end": 31000}}}},
			"Resource 'ports:[31001-31000]' is invalid: Invalid ranges resource: begin > end",
		},
	} {
		t.Run(name, func(t *testing.T) {
			inVirtualTime(t, frameworkInfo("a"), AgentOptions{}, func(b *virtualCluster) {
				offer := b.offerOf(b.agent)
				bad, good := executorTask(offer, "bad", "executor"), executorTask(offer, "good", "executor")
				bad["resources"] = []object{test.resource}
				b.launch(offer, 0, good, bad)
				for range 2 {
					if status := b.wantStates("TASK_ERROR"); status["message"] != test.want || status["reason"] != "REASON_TASK_INVALID" {
						b.Errorf("got %v", status)
					}
				}
				if next := b.offerOf(b.agent); cpusOf(next) != 4 {
					b.Errorf("%v cpus are offered again, want all", cpusOf(next))
				}
			})
		})
	}
}

// An invalid group is refused as a whole, for the reason that a real master gives.
func TestGroupsThatAreRefused(t *testing.T) {
	for name, test := range map[string]struct {
		change func(executor, first, second object)
		want   string
	}{
		"a task without resources": {func(_, _, second object) { second["resources"] = []object{} }, "Task 'second' is invalid: Task uses no resources"},
		"a negative grace period": {
			func(_, first, _ object) { first["kill_policy"] = object{"grace_period": object{"nanoseconds": -1}} },
			"Task 'first' is invalid: Task's 'kill_policy.grace_period' must be non-negative",
		},
		"an executor without memory": {
			func(executor, _, _ object) { executor["resources"] = []object{scalar("cpus", 0.1), scalar("disk", 1)} },
			"Executor 'e' uses less memory (None) than the minimum required (32MB)",
		},
		"an executor without disk": {
			func(executor, _, _ object) { executor["resources"] = []object{scalar("cpus", 0.1), scalar("mem", 32)} }, "Executor 'e' uses no disk",
		},
		"more than is offered": {
			func(_, first, _ object) { first["resources"] = []object{scalar("cpus", 5)} },
			"Total resources cpus(allocated: a):0.1; mem(allocated: a):32; disk(allocated: a):1; cpus(allocated: a):5; cpus(allocated: a):0.1; mem(allocated: a):32 " +
				"required by task group and its executor are more than available " +
				"ports(allocated: a):[31000-32000]; cpus(allocated: a):4; mem(allocated: a):8192; disk(allocated: a):20000",
		},
	} {
		t.Run(name, func(t *testing.T) {
			inVirtualTime(t, frameworkInfo("a"), AgentOptions{}, func(b *virtualCluster) {
				offer := b.offerOf(b.agent)
				first, second := commandTask(offer, "first", ""), commandTask(offer, "second", "")
				delete(first, "command")
				delete(second, "command")
				executor := object{
					"type": "CUSTOM", "executor_id": value("e"), "command": object{"value": "executor"},
					"resources": []object{scalar("cpus", 0.1), scalar("mem", 32), scalar("disk", 1)},
				}
				test.change(executor, first, second)
				b.call("ACCEPT", object{"accept": object{"offer_ids": []any{fieldAt(offer, "id")}, "operations": []object{{
					"type": "LAUNCH_GROUP", "launch_group": object{"executor": executor, "task_group": object{"tasks": []object{first, second}}},
				}}}})
				for range 2 {
					status := b.wantStates("TASK_ERROR")
					if diff := cmp.Diff(test.want, status["message"]); diff != "" || status["reason"] != "REASON_TASK_GROUP_INVALID" {
						b.Errorf("%v: message (-want +got):\n%s", status["reason"], diff)
					}
				}
			})
		})
	}
}
