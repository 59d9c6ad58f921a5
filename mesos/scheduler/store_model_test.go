package scheduler_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/k8sm/k8sm/mesos/placement"
	"github.com/k8sm/k8sm/mesos/scheduler"
)

func (w *simulation) answerID() {
	if !w.storingID {
		return
	}
	w.storingID = false
	if w.chance(30) {
		w.core.IDStored(w.now, errors.New("timeout"))
		return
	}
	w.store.id = w.core.State().FrameworkID
	w.core.IDStored(w.now, nil)
}

// answerPrepare prepares an intent, or fails before or after the record.
func (w *simulation) answerPrepare() {
	if len(w.intents) == 0 {
		return
	}
	i := w.rand.IntN(len(w.intents))
	in := w.intents[i]
	w.intents = slices.Delete(w.intents, i, i+1)
	if w.chance(10) || !w.mayPrepare(in.TaskID) {
		w.core.Prepared(w.now, in.TaskID, scheduler.Payload{}, errors.New("conflict"))
		return
	}
	w.store.records[in.TaskID] = scheduler.Task{ID: in.TaskID, AgentID: in.AgentID, Group: "general"}
	if w.chance(10) {
		w.core.Prepared(w.now, in.TaskID, scheduler.Payload{}, errors.New("no token"))
		return
	}
	w.core.Prepared(w.now, in.TaskID, payload, nil)
}

// mayPrepare is the check of a store: the attempt must be the current one, and new.
func (w *simulation) mayPrepare(taskID string) bool {
	name, _, _ := strings.Cut(taskID, ".")
	_, exists := w.store.records[taskID]
	return w.nodes[name].wanted && taskID == w.current(name) && !exists
}

func (w *simulation) current(name string) string {
	return fmt.Sprintf("%s.%d", name, w.nodes[name].attempt)
}

func (w *simulation) answerRecord() {
	if len(w.statuses) == 0 {
		return
	}
	i := w.rand.IntN(len(w.statuses))
	st := w.statuses[i]
	w.statuses = slices.Delete(w.statuses, i, i+1)
	if w.chance(20) {
		w.core.Recorded(w.now, st.TaskID, errors.New("timeout"))
		return
	}
	w.store.known[string(st.UUID)] = true
	rec, ok := w.store.records[st.TaskID]
	if !ok || (rec.State.Terminal() && !st.State.Terminal()) {
		w.core.Recorded(w.now, st.TaskID, scheduler.ErrUnknownTask)
		return
	}
	if !rec.State.Terminal() && !st.IsForeign {
		rec.State = st.State
		w.store.records[st.TaskID] = rec
	}
	w.logf("recorded %s %s", st.TaskID, st.State)
	w.core.Recorded(w.now, st.TaskID, nil)
}

// reconcileNode acts as a reconcile of the node's controller.
func (w *simulation) reconcileNode() {
	name := []string{"a", "b", "c", "d"}[w.rand.IntN(4)]
	n := w.nodes[name]
	rec, ok := w.store.records[w.current(name)]
	switch {
	case !n.wanted && ok && !rec.State.Terminal():
		w.core.Kill(w.now, rec.ID, rec.AgentID)
	case !n.wanted:
		w.core.WithdrawDemand(w.now, w.current(name))
	case ok && rec.State.Terminal():
		n.attempt++
		fallthrough
	case !ok:
		w.core.AddDemand(w.now, placement.Demand{ID: w.current(name), Group: "general", Role: "k8sm", MaxPerAgent: 3, Resources: placement.Resources{CPUs: 1, MemMiB: 512}, Constraints: constraintsOf(name)})
	}
}
