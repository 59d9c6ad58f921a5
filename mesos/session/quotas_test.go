package session_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/k8sm/k8sm/mesos/scheduler"
)

// A master cuts its offers to the headroom of the role's quota. The agent lacks nothing.
func TestRoleAtItsQuotaIsNamed(t *testing.T) {
	t.Parallel()
	m := startCluster(t, 1)
	body := `{"type": "UPDATE_QUOTA", "update_quota": {"quota_configs": [{"role": "k8sm", "limits": {"cpus": {"value": 1.5}, "mem": {"value": 2048}}}]}}`
	res, err := http.Post(m.URL()+"/api/v1", "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != http.StatusOK {
		t.Fatalf("setting the quota: %s", res.Status)
	}
	store := newMemoryStore()
	r := start(t, config(store, m.Addr()))
	r.awaitState(scheduler.Subscribed)
	r.addDemands(1)
	eventually(t, "the first task runs", func() bool { return store.countInState(scheduler.TaskRunning) == 1 })
	r.AddDemand(demand(1))
	eventually(t, "the quota is named", func() bool {
		message, waiting := r.Explain(demand(1).ID)
		return waiting && strings.Contains(message, "the quota of role k8sm leaves 0.5 of 1.5 cpus and 1536 of 2048 MiB of memory, and the node needs 1 cpus")
	})
}
