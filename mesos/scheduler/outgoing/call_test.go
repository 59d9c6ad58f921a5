package outgoing_test

import (
	"slices"
	"testing"
	"time"

	mesos "github.com/mesos/mesos-go/api/v1/lib"
	schedulerpb "github.com/mesos/mesos-go/api/v1/lib/scheduler"

	"github.com/k8sm/k8sm/mesos/scheduler/outgoing"
)

// decoded reads a call as a master does that does not know offer constraints.
func decoded(t *testing.T, c *outgoing.Call) (*schedulerpb.Call, []byte) {
	t.Helper()
	b, err := c.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	var out schedulerpb.Call
	if err := out.Unmarshal(b); err != nil {
		t.Fatalf("the call cannot be read: %v", err)
	}
	return &out, b
}

func framework(id string) *mesos.FrameworkInfo {
	info := &mesos.FrameworkInfo{User: "root", Name: "k8sm", Roles: []string{"a", "b"}}
	if id != "" {
		info.ID = &mesos.FrameworkID{Value: id}
	}
	return info
}

func TestConstraintsLeaveTheOtherFieldsOfACall(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		call *outgoing.Call
		read func(*schedulerpb.Call) (mesos.FrameworkInfo, []string)
	}{
		"SUBSCRIBE": {
			call: outgoing.Subscribe(framework("F1"), []string{"b"}, "constraints"),
			read: func(c *schedulerpb.Call) (mesos.FrameworkInfo, []string) {
				return *c.Subscribe.FrameworkInfo, c.Subscribe.SuppressedRoles
			},
		},
		"UPDATE_FRAMEWORK": {
			call: outgoing.UpdateFramework(framework("F1"), []string{"b"}, "constraints"),
			read: func(c *schedulerpb.Call) (mesos.FrameworkInfo, []string) {
				return c.UpdateFramework.FrameworkInfo, c.UpdateFramework.SuppressedRoles
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			read, with := decoded(t, tc.call)
			if read.Type.String() != name {
				t.Errorf("it reads as %s", read.Type)
			}
			info, suppressed := tc.read(read)
			if info.Name != "k8sm" || !slices.Equal(info.Roles, []string{"a", "b"}) || !slices.Equal(suppressed, []string{"b"}) {
				t.Errorf("it reads as %+v, suppressed %v", info, suppressed)
			}
			plain := *tc.call
			plain.OfferConstraints = ""
			_, without := decoded(t, &plain)
			if len(with) <= len(without) {
				t.Errorf("%d bytes with constraints, %d without", len(with), len(without))
			}
			if tc.call.Subscribe == nil && tc.call.UpdateFramework == nil {
				t.Error("encoding has changed the call")
			}
		})
	}
}

func TestSubscribeWithoutAnIDRegistersAnew(t *testing.T) {
	t.Parallel()
	if c := outgoing.Subscribe(framework(""), nil, ""); c.FrameworkID != nil {
		t.Errorf("the call has the ID %v", c.FrameworkID)
	}
	if c := outgoing.Subscribe(framework("F1"), nil, ""); c.FrameworkID.GetValue() != "F1" {
		t.Errorf("the call has the ID %v", c.FrameworkID)
	}
}

func TestOffersKeepTheirOrder(t *testing.T) {
	t.Parallel()
	ids := []string{"O9", "O1", "O5"}
	values := func(in []mesos.OfferID) []string {
		out := make([]string, len(in))
		for i := range in {
			out[i] = in[i].Value
		}
		return out
	}
	accept := outgoing.Accept(ids, []mesos.TaskInfo{{TaskID: mesos.TaskID{Value: "n1"}}}, 2*time.Minute)
	if got := values(accept.Accept.OfferIDs); !slices.Equal(got, ids) || accept.Accept.Filters.GetRefuseSeconds() != 120 {
		t.Errorf("ACCEPT has %v, refused for %g s", got, accept.Accept.Filters.GetRefuseSeconds())
	}
	decline := outgoing.Decline(ids, 5*time.Second)
	if got := values(decline.Decline.OfferIDs); !slices.Equal(got, ids) || decline.Decline.Filters.GetRefuseSeconds() != 5 {
		t.Errorf("DECLINE has %v, refused for %g s", got, decline.Decline.Filters.GetRefuseSeconds())
	}
	inverse := outgoing.AcceptInverseOffers(ids, time.Minute)
	if got := values(inverse.AcceptInverseOffers.InverseOfferIDs); !slices.Equal(got, ids) || inverse.AcceptInverseOffers.Filters.GetRefuseSeconds() != 60 {
		t.Errorf("ACCEPT_INVERSE_OFFERS has %v", got)
	}
	if now := outgoing.Decline(ids, 0); now.Decline.Filters == nil || now.Decline.Filters.GetRefuseSeconds() != 0 {
		t.Errorf("a filter of nothing is %v: the master would take its default", now.Decline.Filters)
	}
}

func TestReconcileKeepsTheOrderAndLeavesUnknownAgentsOut(t *testing.T) {
	t.Parallel()
	c := outgoing.Reconcile([]outgoing.TaskRef{{TaskID: "n2", AgentID: "S1"}, {TaskID: "n1"}})
	ts := c.Reconcile.Tasks
	if len(ts) != 2 || ts[0].TaskID.Value != "n2" || ts[0].AgentID.GetValue() != "S1" || ts[1].TaskID.Value != "n1" || ts[1].AgentID != nil {
		t.Errorf("RECONCILE has %+v", ts)
	}
	if all := outgoing.Reconcile(nil); all.Reconcile == nil || len(all.Reconcile.Tasks) != 0 {
		t.Errorf("implicit reconciliation is %+v", all)
	}
}

func TestAcknowledgeNamesTheUpdate(t *testing.T) {
	t.Parallel()
	a := outgoing.Acknowledge("n1", "S1", []byte("u1")).Acknowledge
	if a.TaskID.Value != "n1" || a.AgentID.Value != "S1" || string(a.UUID) != "u1" {
		t.Errorf("ACKNOWLEDGE is %+v", a)
	}
}

func TestLaunchedTaskIDs(t *testing.T) {
	t.Parallel()
	infos := []mesos.TaskInfo{{TaskID: mesos.TaskID{Value: "n2"}}, {TaskID: mesos.TaskID{Value: "n1"}}}
	accept := outgoing.Call{Call: outgoing.Accept([]string{"O1"}, infos, 0)}
	if got := accept.LaunchedTaskIDs(); !slices.Equal(got, []string{"n2", "n1"}) {
		t.Errorf("ACCEPT launches %v", got)
	}
	decline := outgoing.Call{Call: outgoing.Decline([]string{"O1"}, 0)}
	if got := decline.LaunchedTaskIDs(); len(got) > 0 {
		t.Errorf("DECLINE launches %v", got)
	}
}
