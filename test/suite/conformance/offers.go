package conformance

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

var offerChecks = []check{
	{"offers/shape", "An offer tells agent, host name, address, role, and resources with the role that they are allocated to.", []int{36, 37}, onShared(withOffer(checkOfferShape))},
	{"offers/suppress", "SUPPRESS ends offers, and REVIVE begins them anew.", []int{34, 35}, checkSuppress},
	{"offers/subscribe-forgets-suppress", "A new SUBSCRIBE forgets SUPPRESS.", []int{35}, onOwn(checkSubscribeForgets)},
	{"offers/suppressed-roles", "A SUBSCRIBE with suppressed_roles brings no offers.", []int{16, 34}, onOwn(checkSuppressedRoles)},
	{"offers/void-after-disconnect", "Offers from before a disconnection are void: a launch on one is TASK_DROPPED, REASON_INVALID_OFFERS, without uuid.", []int{18, 25, 32}, onOwn(withOffer(checkVoidAfterDisconnect))},
	{"offers/one-void-voids-all", "An ACCEPT with one void offer launches nothing, and its good offer is void too.", []int{31}, onShared(withOffer(checkOneVoid))},
	{"offers/constraints", "Since 1.11 the master takes offer_constraints, and offers only agents that meet them; UPDATE_FRAMEWORK without them lifts them.", []int{16}, checkConstraints},
	{"offers/bad-constraints", "Since 1.11 constraints that say nothing are refused with an ERROR event.", []int{13, 16}, checkBadConstraints},
}

// silent gives back what is offered, with no filter that would keep it away, and wants no
// more offers to come. What the master sent before it took the call may still be on its
// way, once.
func (s *schedulerClient) silent(p *probe) error {
	var err error
	for range 2 {
		if err := s.decline(p.ctx, 0, s.takeHeld()...); err != nil {
			return err
		}
		if err = never(p, s, "an offer", s.anyHeld); err == nil {
			return nil
		}
		if err := p.sleep(p.Quiet / 5); err != nil {
			return err
		}
	}
	return err
}

// offersCome waits for any offer. Where none comes, a REVIVE tells whether that is because
// of what was done, or because the cluster has nothing to offer.
func (s *schedulerClient) offersCome(p *probe, after string) error {
	_, err := await(p.ctx, s, p.Patience, "an offer after "+after, s.anyHeld)
	if !errors.Is(err, errSilent) {
		return err
	}
	if err := s.accepted(p.ctx, "REVIVE", nil); err != nil {
		return err
	}
	if _, again := await(p.ctx, s, p.Patience, "an offer after REVIVE", s.anyHeld); again == nil {
		return fmt.Errorf("%w, and came after REVIVE", err)
	}
	return skipf("no agent offers anything in role %s", p.Role)
}

func checkOfferShape(p *probe, f *schedulerClient, o offer) (string, error) {
	for what, there := range map[string]bool{
		"an ID": o.ID.Value != "", "an agent ID": o.AgentID.Value != "", "a host name": o.Hostname != "",
		"allocation_info with our role":            o.Allocation.Role == p.Role,
		"a url with the agent's address":           o.URL != nil && o.URL.Address.IP != "" && o.URL.Address.Port != 0,
		"resources with allocation_info of theirs": !slices.ContainsFunc(o.Resources, func(r resource) bool { return r["allocation_info"] == nil }),
	} {
		if !there {
			return "", fmt.Errorf("the offer has not %s", what)
		}
	}
	var names []string
	for _, r := range o.Resources {
		if !slices.Contains(names, r.name()) {
			names = append(names, r.name())
		}
	}
	slices.Sort(names)
	return fmt.Sprintf("%s offers %s and %d attributes", o.Hostname, strings.Join(names, ", "), len(o.Attributes)), f.decline(p.ctx, declineFor, o.ID)
}

func checkSuppress(p *probe) (string, error) {
	f, err := p.framework(spec{})
	if err != nil {
		return "", err
	}
	if err := f.offersCome(p, "SUBSCRIBE"); err != nil {
		return "", err
	}
	if err := f.accepted(p.ctx, "SUPPRESS", nil); err != nil {
		return "", err
	}
	if err := f.silent(p); err != nil {
		return "", err
	}
	if err := f.accepted(p.ctx, "REVIVE", nil); err != nil {
		return "", err
	}
	_, err = await(p.ctx, f, p.Patience, "an offer after REVIVE", f.anyHeld)
	return "", err
}

func checkSubscribeForgets(p *probe, f *schedulerClient) (string, error) {
	if err := f.accepted(p.ctx, "SUPPRESS", nil); err != nil {
		return "", err
	}
	if err := f.disconnect(p); err != nil {
		return "", err
	}
	g, err := f.again(p, spec{})
	if err != nil {
		return "", err
	}
	return "", g.offersCome(p, "a SUBSCRIBE without suppressed_roles")
}

func checkSuppressedRoles(p *probe, f *schedulerClient) (string, error) {
	if err := never(p, f, "an offer", f.anyHeld); err != nil {
		return "", err
	}
	if err := f.accepted(p.ctx, "REVIVE", nil); err != nil {
		return "", err
	}
	_, err := await(p.ctx, f, p.Patience, "an offer", f.anyHeld)
	if errors.Is(err, errSilent) {
		return "", skipf("no agent offers anything in role %s", p.Role)
	}
	return "", err
}

func checkVoidAfterDisconnect(p *probe, f *schedulerClient, o offer) (string, error) {
	if err := f.disconnect(p); err != nil {
		return "", err
	}
	g, err := f.again(p, spec{suppressed: true})
	if err != nil {
		return "", err
	}
	return g.dropped(p, []id{o.ID}, o)
}

// dropped launches a task on offers of which one is void.
func (s *schedulerClient) dropped(p *probe, offers []id, o offer) (string, error) {
	task, info := s.taskOn(o, sleeper)
	if err := s.launch(p, info, offers...); err != nil {
		return "", err
	}
	st, err := s.reached(p, task, "TASK_DROPPED")
	switch {
	case err != nil:
		return "", err
	case st.Reason != "REASON_INVALID_OFFERS" || st.UUID != "":
		return "", fmt.Errorf("the task is %s", st)
	}
	return st.String(), nil
}

func checkOneVoid(p *probe, f *schedulerClient, o offer) (string, error) {
	if _, err := f.dropped(p, []id{o.ID, {Value: "k8sm-conformance-none"}}, o); err != nil {
		return "", err
	}
	seen, err := f.dropped(p, []id{o.ID}, o)
	if err != nil {
		return "", fmt.Errorf("the good offer, used again: %w", err)
	}
	return seen, nil
}

// attributeConstraint lets only agents pass of which the attribute is as the predicate says.
func (p *probe) attributeConstraint(predicate object) object {
	constraint := object{"selector": object{"attribute_name": "k8sm-conformance-no-such-attribute"}, "predicate": predicate}
	groups := []object{{"attribute_constraints": []object{constraint}}}
	return object{"role_constraints": object{p.Role: object{"groups": groups}}}
}

func (p *probe) knowsConstraints() error {
	_, a, err := p.transport.leader(p.ctx, p.masters)
	if err != nil {
		return err
	}
	if version := versionIn(a.body); !atLeast(version, 1, 11) {
		return skipf("the master is a %s", version)
	}
	return nil
}

func checkConstraints(p *probe) (string, error) {
	if err := p.knowsConstraints(); err != nil {
		return "", err
	}
	f, err := p.framework(spec{constraints: p.attributeConstraint(object{"exists": object{}})})
	if err != nil {
		return "", err
	}
	if err := never(p, f, "an offer of an agent without the attribute", f.anyHeld); err != nil {
		return "", err
	}
	a, err := f.call(p.ctx, "UPDATE_FRAMEWORK", object{"update_framework": p.message(spec{
		id: f.frameworkID, constraints: p.attributeConstraint(object{"not_exists": object{}}),
	})})
	if _, err := answeredWith(a, err, 200, ""); err != nil {
		return "", err
	}
	if err := f.offersCome(p, "UPDATE_FRAMEWORK with constraints that all agents meet"); err != nil {
		return "", err
	}
	return "", nil
}

func checkBadConstraints(p *probe) (string, error) {
	if err := p.knowsConstraints(); err != nil {
		return "", err
	}
	nothing := object{"role_constraints": object{p.Role: object{"groups": []object{}}}}
	return p.erroredWith(spec{suppressed: true, constraints: nothing}, "")
}
