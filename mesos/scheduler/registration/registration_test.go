package registration_test

import (
	"slices"
	"testing"

	schedulerpb "github.com/mesos/mesos-go/api/v1/lib/scheduler"

	"github.com/k8sm/k8sm/mesos/scheduler/outgoing"
	"github.com/k8sm/k8sm/mesos/scheduler/registration"
)

// subscribed returns a registration that the master has as it is wanted.
func subscribed(constraints string, roles ...string) *registration.Registration {
	r := registration.New(info(roles...))
	r.Subscribe(nil, constraints)
	r.SetID("F1")
	return r
}

func TestSubscribeAnnouncesTheWantedRegistration(t *testing.T) {
	t.Parallel()
	r := registration.New(info("a", "b"))
	if !r.NeedsUpdate("") {
		t.Error("the master seems to know a registration that was never sent")
	}
	call := r.Subscribe([]string{"b"}, "constraints")
	if call.Type != schedulerpb.Call_SUBSCRIBE || call.FrameworkID != nil || call.OfferConstraints != "constraints" || !slices.Equal(call.Subscribe.SuppressedRoles, []string{"b"}) {
		t.Errorf("the call is %+v", call)
	}
	if r.NeedsUpdate("constraints") || !r.HasConstraints() {
		t.Error("what SUBSCRIBE says is to be sent again")
	}
	r.SetID("F1")
	if r.NeedsUpdate("constraints") {
		t.Error("the ID that the master gave is to be sent back to it")
	}
	if again := r.Subscribe(nil, ""); again.FrameworkID.GetValue() != "F1" || again.Subscribe.FrameworkInfo.ID.GetValue() != "F1" {
		t.Errorf("the next SUBSCRIBE has no ID: %+v", again)
	}
}

func TestUpdateIsSentOnceAtATime(t *testing.T) {
	t.Parallel()
	r := subscribed("", "a")
	if r.SetWanted(r.Wanted()) {
		t.Error("the same registration is a change")
	}
	if !r.SetWanted(info("a", "b")) || !r.NeedsUpdate("") {
		t.Fatal("another registration is no change")
	}
	first := r.Update([]string{"b"}, "")
	if first.UpdateFramework.FrameworkInfo.ID.GetValue() != "F1" || !slices.Equal(first.UpdateFramework.SuppressedRoles, []string{"b"}) {
		t.Errorf("the call is %+v", first)
	}
	r.SetWanted(info("c"))
	if r.NeedsUpdate("") {
		t.Error("a second update is to be sent before the first is answered")
	}
	if !r.IsUpdate(first) || r.IsUpdate(nil) || r.IsUpdate(&outgoing.Call{}) {
		t.Error("the update is not recognized, or something else is")
	}
	r.Accepted()
	if !r.NeedsUpdate("") {
		t.Error("what changed meanwhile is not sent")
	}
	r.Update(nil, "")
	r.Accepted()
	if r.NeedsUpdate("") || r.IsUpdate(first) {
		t.Error("an accepted update is not settled")
	}
}

func TestRefusedUpdateRevertsToTheRegistered(t *testing.T) {
	t.Parallel()
	r := subscribed("", "a")
	r.SetWanted(info("forbidden"))
	r.Update(nil, "")
	registered, revert := r.Refused("not your role")
	if !revert || !slices.Equal(registered.Roles, []string{"a"}) {
		t.Fatalf("the refusal reverts to %v, %v", registered.Roles, revert)
	}
	r.SetWanted(registered)
	if r.NeedsUpdate("") {
		t.Error("what was refused is sent again")
	}
	if got, want := r.Divergence(), "the registration as it was: not your role"; got != want {
		t.Errorf("the divergence is %q, want %q", got, want)
	}
	if !r.WasRefused(info("forbidden")) || r.WasRefused(info("a")) {
		t.Error("what was refused is not recognized")
	}
	again, ok := r.TakeRefused()
	if !ok || !slices.Equal(again.Roles, []string{"forbidden"}) || r.Divergence() != "" {
		t.Errorf("on a new stream %v is tried again: %v; divergence %q", again.Roles, ok, r.Divergence())
	}
	if _, ok := r.TakeRefused(); ok {
		t.Error("it is tried again twice")
	}
}

func TestRefusedUpdateWithConstraintsIsTriedWithout(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		answer          func(*registration.Registration)
		wantConstraints bool
	}{
		"accepted without constraints: the constraints were the reason": {
			answer: func(r *registration.Registration) { r.Accepted() },
		},
		"refused without constraints, too: they were not the reason": {
			answer:          func(r *registration.Registration) { r.Refused("no") },
			wantConstraints: true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := subscribed("", "a")
			r.SetWanted(info("a", "b"))
			r.Update(nil, "constraints")
			if _, revert := r.Refused("AttributeConstraint"); revert {
				t.Fatal("the registration is given up at once")
			}
			if r.UsesConstraints() || !r.NeedsUpdate("") {
				t.Fatal("it is not tried without constraints")
			}
			r.Update(nil, "")
			tc.answer(r)
			if r.UsesConstraints() != tc.wantConstraints {
				t.Errorf("constraints are used: %v, want %v", r.UsesConstraints(), tc.wantConstraints)
			}
		})
	}
}

// Once a SUBSCRIBE with constraints was refused, a later refusal of something else must not
// bring them back.
func TestConstraintsThatSubscribeHadRefusedStayOut(t *testing.T) {
	t.Parallel()
	r := subscribed("constraints", "a")
	r.DropConstraints()
	r.Subscribe(nil, "")
	r.SetWanted(info("b"))
	r.Update(nil, "")
	r.Refused("no")
	if r.UsesConstraints() || r.HasConstraints() {
		t.Error("the constraints come back")
	}
}

func TestDisconnectDropsThePendingUpdate(t *testing.T) {
	t.Parallel()
	r := subscribed("", "a")
	r.SetWanted(info("b"))
	call := r.Update(nil, "")
	r.Disconnected()
	if r.IsUpdate(call) || !r.NeedsUpdate("") {
		t.Error("an update still waits for its answer")
	}
}

func TestDivergenceJoinsObservedAndRefusedFields(t *testing.T) {
	t.Parallel()
	r := subscribed("", "a")
	r.SetDivergence("user root, not nobody")
	if got := r.Divergence(); got != "user root, not nobody" {
		t.Errorf("the divergence is %q", got)
	}
	r.SetWanted(info("b"))
	r.Update(nil, "")
	r.Refused("no")
	if got, want := r.Divergence(), "user root, not nobody; the registration as it was: no"; got != want {
		t.Errorf("the divergence is %q, want %q", got, want)
	}
}

// A master that refuses two updates in a row is asked for the last of them only.
func TestTheLastRefusalCounts(t *testing.T) {
	t.Parallel()
	r := subscribed("", "a")
	for _, role := range []string{"b", "c"} {
		r.TakeRefused()
		r.SetWanted(info(role))
		r.Update(nil, "")
		registered, _ := r.Refused("no " + role)
		r.SetWanted(registered)
	}
	if r.WasRefused(info("b")) || !r.WasRefused(info("c")) || r.Divergence() != "the registration as it was: no c" {
		t.Errorf("b was refused: %v, c: %v; divergence %q", r.WasRefused(info("b")), r.WasRefused(info("c")), r.Divergence())
	}
	if got := r.Wanted(); !slices.Equal(got.Roles, []string{"a"}) || got.ID != "F1" {
		t.Errorf("wanted is %+v, want what is registered", got)
	}
}

func TestChangedConstraintsNeedAnUpdate(t *testing.T) {
	t.Parallel()
	r := subscribed("constraints", "a")
	if r.NeedsUpdate("constraints") || !r.NeedsUpdate("other") || !r.NeedsUpdate("") {
		t.Error("a change of constraints goes unnoticed, or is seen where there is none")
	}
}
