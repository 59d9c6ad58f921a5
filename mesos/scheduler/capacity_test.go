package scheduler_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	mesos "github.com/mesos/mesos-go/api/v1/lib"

	"github.com/k8sm/k8sm/mesos/placement"
)

// observe reads S1:8-2, an agent of 8 cpus of which 2 are allocated; asked=10s is how long
// ago the master was asked.
func (p *player) observe(words []string, opts map[string]string) error {
	ago, _ := time.ParseDuration(opts["asked"])
	var totals, free []*placement.Offer
	for _, w := range words {
		var id string
		var cpus, allocated float64
		if _, err := fmt.Sscanf(w, "%2s:%f-%f", &id, &cpus, &allocated); err != nil {
			return err
		}
		scalar := func(x float64) []mesos.Resource {
			return []mesos.Resource{{Name: "cpus", Type: mesos.SCALAR.Enum(), Scalar: &mesos.Value_Scalar{Value: x}}}
		}
		report := placement.AgentReport{
			Info:  &mesos.AgentInfo{ID: &mesos.AgentID{Value: id}, Hostname: "host-" + id},
			Total: scalar(cpus), Allocated: scalar(allocated),
		}
		all, rest, err := report.ForRole("k8sm", "")
		if err != nil {
			return err
		}
		totals, free = append(totals, all), append(free, rest)
	}
	p.core.ObserveAgents(p.now.Add(-ago), totals, free)
	return nil
}

// room writes how many tasks of a cpu there is room for.
func (p *player) room([]string, map[string]string) error {
	c := p.core.Capacity(p.now)
	room := c.Headroom(placement.Demand{ID: "asked", Group: "asked", Role: "k8sm", Resources: placement.Resources{CPUs: 1}})
	if room.Count == placement.UnknownCount {
		p.logf("room is unknown: %s", room.Reason)
		return nil
	}
	p.logf("room for %d on %d agents", room.Count, len(c.Free.Offers))
	return nil
}

// A master may report any number of agents: the observations are limited in number, and expire.
func TestNumberOfObservedAgentsIsLimited(t *testing.T) {
	t.Parallel()
	p := &player{}
	for _, line := range []string{"new id=F1", "subscribed id=F1"} {
		if err := p.do(strings.Fields(line)); err != nil {
			t.Fatal(err)
		}
	}
	core := p.core
	const many = 100_500
	offers := make([]*placement.Offer, many)
	for i := range offers {
		offers[i] = &placement.Offer{Agent: placement.Agent{ID: fmt.Sprintf("S%d", i)}, Role: "k8sm"}
	}
	core.ObserveAgents(p.now, offers, offers)
	if n := len(core.Capacity(p.now).Free.Offers); n != 100_000 {
		t.Errorf("%d agents are remembered, want 100000 of %d", n, many)
	}
	p.now = p.now.Add(2 * time.Minute)
	core.Tick(p.now)
	if c := core.Capacity(p.now); len(c.Free.Offers)+len(c.Totals) > 0 || !core.NextTick().After(p.now) {
		t.Errorf("%d agents are remembered after two minutes", len(c.Free.Offers))
	}
}
