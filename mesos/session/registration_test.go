package session_test

import (
	"strings"
	"testing"

	"github.com/k8sm/k8sm/mesos/mesostest"
	"github.com/k8sm/k8sm/mesos/placement"
	"github.com/k8sm/k8sm/mesos/scheduler"
)

// addAgentsInRacks adds agents with a rack each.
func addAgentsInRacks(t *testing.T, m *mesostest.Master, names ...string) {
	t.Helper()
	for _, name := range names {
		o := mesostest.AgentOptions{Launcher: mesostest.Func(mesostest.AutoRun), WorkDir: t.TempDir(), Attributes: "rack:" + name}
		if _, err := m.AddAgent(o); err != nil {
			t.Fatalf("adding an agent: %v", err)
		}
	}
}

// The master applies the offer constraints, and offers only agents on which a demand may be
// placed.
func TestOfferConstraintsLimitOffersToPlaceableAgents(t *testing.T) {
	t.Parallel()
	m := startCluster(t, 0)
	addAgentsInRacks(t, m, "r1", "r2", "r3")
	store := newMemoryStore()
	r := start(t, config(store, m.Addr()))
	r.awaitState(scheduler.Subscribed)
	d := demand(0)
	d.Resources.CPUs = 16
	d.Constraints = []placement.Constraint{{Attribute: "rack", Operator: placement.In, Values: []string{"r1", "r3"}}}
	r.AddDemand(d)
	eventually(t, "the demand is explained by the two agents that may be offered", func() bool {
		msg, waiting := r.Explain(d.ID)
		return waiting && strings.HasPrefix(msg, "0 of 2 agents fit: 2 lack cpus")
	})
	other := demand(1)
	other.Constraints = []placement.Constraint{{Attribute: "rack", Operator: placement.In, Values: []string{"r2"}}}
	r.AddDemand(other)
	eventually(t, "a demand that the constraints hid is placed", func() bool { return store.countInState(scheduler.TaskRunning) == 1 })
}

// A role that is added on the open stream gets offers without another subscription.
func TestRolesChangeOnTheOpenStream(t *testing.T) {
	t.Parallel()
	m := startCluster(t, 1)
	store := newMemoryStore()
	cfg := config(store, m.Addr())
	r := start(t, cfg)
	r.awaitState(scheduler.Subscribed)
	d := demand(0)
	d.Role = "other"
	r.AddDemand(d)
	if msg, _ := r.Explain(d.ID); msg != "cannot be placed: the framework is not in role other" {
		t.Errorf("before, the demand is explained by %q", msg)
	}
	info := cfg.Framework
	info.Roles = []string{"k8sm", "other"}
	if err := r.UpdateFramework(info); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the demand in the new role is placed", func() bool { return store.countInState(scheduler.TaskRunning) == 1 })
	if st := r.State(); !st.Subscribed || st.Divergence != "" {
		t.Errorf("the state is %+v", st)
	}
}
