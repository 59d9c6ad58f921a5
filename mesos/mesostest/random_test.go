package mesostest

import (
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// randomScheduler launches and kills tasks at random, while things happen to the agents. It
// checks after every step what must hold of offers and updates.
type randomScheduler struct {
	*virtualCluster
	rng      *rand.Rand
	agents   []*Agent
	offered  map[string]any    // by ID: neither used, declined nor rescinded
	alive    map[string]string // agents of the tasks that have not ended
	ended    map[string]string // states of the others
	launched int
}

const cpusOfAgent = 4

// handle takes events, and acknowledges updates.
func (s *randomScheduler) handle(d time.Duration) {
	for _, event := range s.drain(d) {
		switch event["type"] {
		case "OFFERS":
			for _, o := range fieldAt(event, "offers", "offers").([]any) {
				s.offered[fieldAt(o, "id", "value").(string)] = o
			}
		case "RESCIND":
			delete(s.offered, fieldAt(event, "rescind", "offer_id", "value").(string))
		case "UPDATE":
			s.handleUpdate(fieldAt(event, "update", "status").(object))
		}
	}
	s.checkOffers()
}

func (s *randomScheduler) handleUpdate(status object) {
	id, state := fieldAt(status, "task_id", "value").(string), status["state"].(string)
	if status["uuid"] != nil {
		s.call("ACKNOWLEDGE", object{"acknowledge": object{"agent_id": status["agent_id"], "task_id": status["task_id"], "uuid": status["uuid"]}})
	}
	switch state {
	case "TASK_KILLED", "TASK_FAILED", "TASK_DROPPED", "TASK_GONE":
		if _, ok := s.alive[id]; ok {
			delete(s.alive, id)
			s.ended[id] = state
		}
	case "TASK_STARTING", "TASK_RUNNING":
		// An update that was on its way may be late, but nothing comes back to life.
		if was := s.ended[id]; was == "TASK_DROPPED" || was == "TASK_GONE" {
			s.Errorf("task %s is %s after %s", id, state, was)
		}
	}
}

// checkOffers checks that no agent offers more than it has, and no port twice.
func (s *randomScheduler) checkOffers() {
	cpus := map[string]float64{}
	ports := map[string]float64{}
	for _, id := range slices.Sorted(maps.Keys(s.offered)) {
		agent := fieldAt(s.offered[id], "agent_id", "value").(string)
		cpus[agent] += cpusOf(s.offered[id])
		for _, r := range fieldAt(s.offered[id], "resources").([]any) {
			if fieldAt(r, "name") != "ports" {
				continue
			}
			for _, span := range fieldAt(r, "ranges", "range").([]any) {
				ports[agent] += fieldAt(span, "end").(float64) - fieldAt(span, "begin").(float64) + 1
			}
		}
	}
	for agent, n := range cpus {
		if n > cpusOfAgent+1e-9 || ports[agent] > 1001 {
			s.Errorf("%s offers %v cpus and %v ports", agent, n, ports[agent])
		}
	}
}

// steps are what may happen. Each returns a description.
var steps = []func(*randomScheduler) string{
	(*randomScheduler).launchTask, (*randomScheduler).launchTask, (*randomScheduler).launchTask,
	(*randomScheduler).killTask, (*randomScheduler).declineAll, (*randomScheduler).reconcile,
	func(s *randomScheduler) string { return onAgent(s, "disconnected", (*Agent).Disconnect) },
	func(s *randomScheduler) string { return onAgent(s, "unreachable", (*Agent).MarkUnreachable) },
	func(s *randomScheduler) string { return onAgent(s, "reconnected", (*Agent).Reconnect) },
	func(s *randomScheduler) string { return onAgent(s, "cut off", (*Agent).CutNetwork) },
	func(s *randomScheduler) string {
		back := NetworkReturn{Flaps: s.rng.IntN(3), Repeats: s.rng.IntN(3), LateBy: s.duration(time.Minute)}
		return onAgent(s, fmt.Sprintf("back: %+v", back), func(a *Agent) { a.RestoreNetwork(back) })
	},
	func(s *randomScheduler) string { return onAgent(s, "paused", (*Agent).Pause) },
	func(s *randomScheduler) string { return onAgent(s, "resumed", (*Agent).Resume) },
	func(s *randomScheduler) string {
		down := s.duration(2 * time.Minute)
		return onAgent(s, "restarts", func(a *Agent) { a.Restart(down) })
	},
}

func onAgent(s *randomScheduler, what string, do func(*Agent)) string {
	a := s.agents[s.rng.IntN(len(s.agents))]
	do(a)
	return a.Hostname() + " " + what
}

func (s *randomScheduler) duration(most time.Duration) time.Duration {
	return time.Duration(s.rng.Int64N(int64(most)))
}

// anyKey returns a random key of a map; "" if it has none.
func anyKey[V any](s *randomScheduler, m map[string]V) string {
	if len(m) == 0 {
		return ""
	}
	return slices.Sorted(maps.Keys(m))[s.rng.IntN(len(m))]
}

func (s *randomScheduler) launchTask() string {
	id := anyKey(s, s.offered)
	if id == "" || cpusOf(s.offered[id]) < 0.3 {
		return "no offer"
	}
	offer := s.offered[id]
	delete(s.offered, id)
	s.launched++
	task := fmt.Sprintf("t%d", s.launched)
	s.alive[task] = fieldAt(offer, "agent_id", "value").(string)
	s.launch(offer, 0, executorTask(offer, task, "executor"))
	return "launched " + task
}

func (s *randomScheduler) killTask() string {
	task := anyKey(s, s.alive)
	if task != "" {
		s.call("KILL", object{"kill": object{"task_id": value(task), "agent_id": value(s.alive[task])}})
	}
	return "killed " + task
}

func (s *randomScheduler) declineAll() string {
	for _, id := range slices.Sorted(maps.Keys(s.offered)) {
		s.call("DECLINE", object{"decline": object{"offer_ids": []any{value(id)}, "filters": object{"refuse_seconds": s.rng.IntN(20)}}})
	}
	clear(s.offered)
	return "declined"
}

func (s *randomScheduler) reconcile() string {
	tasks := []object{}
	for _, task := range slices.Sorted(maps.Keys(s.alive)) {
		tasks = append(tasks, object{"task_id": value(task), "agent_id": value(s.alive[task])})
	}
	if len(tasks) > 0 { // an empty list asks for all
		s.call("RECONCILE", object{"reconcile": object{"tasks": tasks}})
	}
	return "reconciled"
}

// settle ends everything that happens to the agents, and all tasks.
func (s *randomScheduler) settle() {
	for _, a := range s.agents {
		a.Resume()
		a.RestoreNetwork(NetworkReturn{})
		a.Reconnect()
	}
	for range 60 {
		for _, task := range slices.Sorted(maps.Keys(s.alive)) {
			s.call("KILL", object{"kill": object{"task_id": value(task), "agent_id": value(s.alive[task])}})
		}
		s.handle(time.Minute)
		s.reconcile()
		s.handle(time.Second)
		if len(s.alive) == 0 {
			break
		}
	}
	s.call("REVIVE", nil)
	s.declineAll()
	s.call("REVIVE", nil)
	s.handle(time.Minute)
}

// Whatever happens, and in whatever order: no agent offers more than it has, no task comes
// back from the dead, and when all is well again every task ends, no container is left, and
// all resources are offered.
func TestRandomHistories(t *testing.T) {
	seeds := uint64(25)
	if testing.Short() {
		seeds = 5
	}
	for seed := range seeds {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			inVirtualTime(t, frameworkInfo("a"), AgentOptions{}, func(b *virtualCluster) {
				s := &randomScheduler{
					virtualCluster: b, rng: rand.New(rand.NewPCG(seed, 0)), agents: []*Agent{b.agent},
					offered: map[string]any{}, alive: map[string]string{}, ended: map[string]string{},
				}
				for i := range 2 {
					s.agents = append(s.agents, startAgent(t, b.master, AgentOptions{
						Launcher: Func(AutoRun), Listener: b.network.listen(fmt.Sprintf("127.0.0.%d", 12+i), 5051),
					}))
				}
				var history []string
				for range 80 {
					history = append(history, steps[s.rng.IntN(len(steps))](s))
					s.handle(s.duration(20 * time.Second))
				}
				s.settle()
				s.checkSettled()
				if t.Failed() {
					t.Logf("the history: %q", history)
				}
			})
		})
	}
}

func (s *randomScheduler) checkSettled() {
	if s.launched == 0 {
		s.Error("nothing was launched")
	}
	for task, agent := range s.alive {
		s.Errorf("task %s on %s has not ended", task, agent)
	}
	cpus := map[string]float64{}
	for _, o := range s.offered {
		cpus[fieldAt(o, "agent_id", "value").(string)] += cpusOf(o)
	}
	for _, a := range s.agents {
		if n := a.Containers(); n > 0 {
			s.Errorf("%s has %d containers", a.Hostname(), n)
		}
		if math.Abs(cpus[a.ID()]-cpusOfAgent) > 1e-9 {
			s.Errorf("%s offers %v of its cpus", a.Hostname(), cpus[a.ID()])
		}
	}
}
