package conformance

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
)

// The resources of each task of the checks. An executor has the same again.
const (
	taskCPUs = 0.1
	taskMem  = 32
)

// declineSeconds are the refuse_seconds for unused offers. The next REVIVE removes the
// filter.
const declineSeconds = 600.0

// fits reports whether an offer has room for a number of tasks or executors.
func fits(o *offer, shares int) bool {
	_, ok := o.carve(taskCPUs*float64(shares), taskMem*float64(shares))
	return ok
}

// anyOffer waits for an offer with room for a number of tasks or executors. It removes the
// offer from the held ones, and declines all others.
func (s *schedulerClient) anyOffer(p *probe, shares int) (offer, error) {
	return s.offerOf(p, fmt.Sprintf("an offer of %g cpus and %d MB", taskCPUs*float64(shares), taskMem*shares),
		func(o *offer) bool { return fits(o, shares) && len(o.Unavailability) == 0 })
}

// offerOf is anyOffer for offers that good accepts.
func (s *schedulerClient) offerOf(p *probe, what string, good func(*offer) bool) (offer, error) {
	const tries = 3
	for range tries {
		if err := s.accepted(p.ctx, "REVIVE", nil); err != nil {
			return offer{}, err
		}
		o, err := await(p.ctx, s, p.Patience/tries, what, func() (offer, bool) {
			i := slices.IndexFunc(s.held, func(o offer) bool { return good(&o) })
			if i < 0 {
				return offer{}, false
			}
			o := s.held[i]
			s.held = slices.Delete(s.held, i, i+1)
			return o, true
		})
		if err == nil {
			return o, s.declineHeldOffers(p.ctx)
		}
		if !errors.Is(err, errTimeout) {
			return offer{}, err
		}
	}
	return offer{}, skipf("%s did not come in role %s within %s", what, s.c.Role, p.Patience)
}

// declineHeldOffers declines all offers that are held.
func (s *schedulerClient) declineHeldOffers(ctx context.Context) error {
	return s.decline(ctx, declineSeconds, s.takeHeldOffers()...)
}

// takeHeldOffers removes all held offers and returns their IDs.
func (s *schedulerClient) takeHeldOffers() []id {
	s.mu.Lock()
	defer s.mu.Unlock()
	var ids []id
	for _, o := range s.held {
		ids = append(ids, o.ID)
	}
	s.held = nil
	return ids
}

// firstHeldOffer describes a held offer. It is for await: the lock must be held.
func (s *schedulerClient) firstHeldOffer() (string, bool) {
	if len(s.held) == 0 {
		return "", false
	}
	return s.held[0].ID.Value + " of " + s.held[0].Hostname, true
}

func (s *schedulerClient) decline(ctx context.Context, seconds float64, ids ...id) error {
	if len(ids) == 0 {
		return nil
	}
	return s.accepted(ctx, "DECLINE", object{"decline": object{"offer_ids": ids, "filters": object{"refuse_seconds": seconds}}})
}

// reset suppresses the framework, and ends its offers and tasks.
func (s *schedulerClient) reset(ctx context.Context) error {
	s.mu.Lock()
	s.holdAcks = false
	live := maps.Clone(s.live)
	s.mu.Unlock()
	if err := s.accepted(ctx, "SUPPRESS", nil); err != nil {
		return err
	}
	if err := s.declineHeldOffers(ctx); err != nil {
		return err
	}
	for task, agent := range live {
		if err := s.kill(ctx, task, agent); err != nil {
			return err
		}
	}
	_, err := await(ctx, s, s.c.Patience, "the end of all tasks", func() (int, bool) { return 0, len(s.live) == 0 })
	return err
}

func (s *schedulerClient) kill(ctx context.Context, task, agent string) error {
	return s.accepted(ctx, "KILL", object{"kill": object{"task_id": idOf(task), "agent_id": idOf(agent)}})
}

// taskOn returns a task for the offer, which runs a shell command.
func (s *schedulerClient) taskOn(o offer, command string) (name string, task object) {
	name = s.c.name()
	resources, _ := o.carve(taskCPUs, taskMem) // the offer was chosen with fits
	return name, object{
		"name": name, "task_id": idOf(name), "agent_id": o.AgentID, "resources": resources,
		"command": object{"shell": true, "value": command},
	}
}

// withExecutor replaces the task's command by a custom executor that runs it. The executor
// has the task's ID.
func (s *schedulerClient) withExecutor(o offer, task object) object {
	resources, _ := o.carve(taskCPUs, taskMem)
	task["executor"] = object{
		"type": "CUSTOM", "executor_id": task["task_id"], "framework_id": idOf(s.frameworkID), "name": task["name"],
		"command": task["command"], "resources": resources,
	}
	delete(task, "command")
	return task
}

// launch accepts offers with a task. The filter for the rest is declineSeconds.
func (s *schedulerClient) launch(p *probe, task object, offers ...id) error {
	s.mu.Lock()
	s.live[task["task_id"].(object)["value"].(string)] = task["agent_id"].(id).Value
	s.mu.Unlock()
	return s.accepted(p.ctx, "ACCEPT", object{"accept": object{
		"offer_ids":  offers,
		"operations": []object{{"type": "LAUNCH", "launch": object{"task_infos": []object{task}}}},
		"filters":    object{"refuse_seconds": declineSeconds},
	}})
}

// runTask launches a sleeping task on any agent, and waits until it runs.
func (s *schedulerClient) runTask(p *probe) (task string, o offer, err error) {
	if o, err = s.anyOffer(p, 1); err != nil {
		return "", o, err
	}
	task, info := s.taskOn(o, sleeper)
	if err := s.launch(p, info, o.ID); err != nil {
		return "", o, err
	}
	_, err = s.awaitState(p, task, "TASK_RUNNING")
	return task, o, err
}

// sleeper is a command that ends by itself if the clean-up fails.
const sleeper = "exec sleep 600"
