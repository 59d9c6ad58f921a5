package conformance

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

var offerChecks = []check{
	{"offers/shape", "An offer has the agent's ID, host name and address, a role, and resources with the role that they are allocated to.", []int{36, 37}, onShared(withOffer(checkOfferShape))},
	{"offers/suppress", "After SUPPRESS there are no offers, until REVIVE.", []int{34, 35}, checkSuppress},
	{"offers/subscribe-forgets-suppress", "A new SUBSCRIBE ends the effect of SUPPRESS.", []int{35}, onOwn(checkSubscribeForgets)},
	{"offers/suppressed-roles", "After SUBSCRIBE with suppressed_roles there are no offers, until REVIVE.", []int{16, 34}, onOwn(checkSuppressedRoles)},
	{"offers/void-after-disconnect", "Offers end with the connection: a launch with an older one is TASK_DROPPED, REASON_INVALID_OFFERS, without uuid.", []int{18, 25, 32}, onOwn(withOffer(checkVoidAfterDisconnect))},
	{"offers/one-void-voids-all", "An ACCEPT with an invalid offer launches nothing, and its valid offer becomes invalid too.", []int{31}, onShared(withOffer(checkOneVoid))},
	{"offers/constraints", "Since 1.11 the master offers only agents that meet offer_constraints; UPDATE_FRAMEWORK replaces them.", []int{16}, checkConstraints},
	{"offers/bad-constraints", "Since 1.11 constraints without groups are refused with an ERROR event.", []int{13, 16}, checkBadConstraints},
}

// expectNoOffers declines the held offers without a filter, and returns an error if others
// come. An offer that the master sent before it processed the call may still arrive, so it
// tries twice.
func (s *schedulerClient) expectNoOffers(p *probe) error {
	var err error
	for range 2 {
		if err := s.decline(p.ctx, 0, s.takeHeldOffers()...); err != nil {
			return err
		}
		if err = expectNone(p, s, "an offer", s.firstHeldOffer); err == nil {
			return nil
		}
		if err := p.sleep(p.Quiet / 5); err != nil {
			return err
		}
	}
	return err
}

// expectOffers waits for an offer. If none comes, it sends REVIVE: an offer after that is a
// failure of the check, and none means that the cluster has nothing to offer.
func (s *schedulerClient) expectOffers(p *probe, after string) error {
	_, err := await(p.ctx, s, p.Patience, "an offer after "+after, s.firstHeldOffer)
	if !errors.Is(err, errTimeout) {
		return err
	}
	if err := s.accepted(p.ctx, "REVIVE", nil); err != nil {
		return err
	}
	if _, again := await(p.ctx, s, p.Patience, "an offer after REVIVE", s.firstHeldOffer); again == nil {
		return fmt.Errorf("%w, but came after REVIVE", err)
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
			return "", fmt.Errorf("the offer lacks %s", what)
		}
	}
	var names []string
	for _, r := range o.Resources {
		if !slices.Contains(names, r.name()) {
			names = append(names, r.name())
		}
	}
	slices.Sort(names)
	return fmt.Sprintf("%s offers %s and %d attributes", o.Hostname, strings.Join(names, ", "), len(o.Attributes)), f.decline(p.ctx, declineSeconds, o.ID)
}

func checkSuppress(p *probe) (string, error) {
	f, err := p.framework(frameworkSpec{})
	if err != nil {
		return "", err
	}
	if err := f.expectOffers(p, "SUBSCRIBE"); err != nil {
		return "", err
	}
	if err := f.accepted(p.ctx, "SUPPRESS", nil); err != nil {
		return "", err
	}
	if err := f.expectNoOffers(p); err != nil {
		return "", err
	}
	if err := f.accepted(p.ctx, "REVIVE", nil); err != nil {
		return "", err
	}
	_, err = await(p.ctx, f, p.Patience, "an offer after REVIVE", f.firstHeldOffer)
	return "", err
}

func checkSubscribeForgets(p *probe, f *schedulerClient) (string, error) {
	if err := f.accepted(p.ctx, "SUPPRESS", nil); err != nil {
		return "", err
	}
	if err := f.disconnect(p); err != nil {
		return "", err
	}
	g, err := f.resubscribe(p, frameworkSpec{})
	if err != nil {
		return "", err
	}
	return "", g.expectOffers(p, "a SUBSCRIBE without suppressed_roles")
}

func checkSuppressedRoles(p *probe, f *schedulerClient) (string, error) {
	if err := expectNone(p, f, "an offer", f.firstHeldOffer); err != nil {
		return "", err
	}
	if err := f.accepted(p.ctx, "REVIVE", nil); err != nil {
		return "", err
	}
	_, err := await(p.ctx, f, p.Patience, "an offer", f.firstHeldOffer)
	if errors.Is(err, errTimeout) {
		return "", skipf("no agent offers anything in role %s", p.Role)
	}
	return "", err
}

func checkVoidAfterDisconnect(p *probe, f *schedulerClient, o offer) (string, error) {
	if err := f.disconnect(p); err != nil {
		return "", err
	}
	g, err := f.resubscribe(p, frameworkSpec{suppressed: true})
	if err != nil {
		return "", err
	}
	return g.expectDropped(p, []id{o.ID}, o)
}

// expectDropped launches a task with offers of which one is invalid.
func (s *schedulerClient) expectDropped(p *probe, offers []id, o offer) (string, error) {
	task, info := s.taskOn(o, sleeper)
	if err := s.launch(p, info, offers...); err != nil {
		return "", err
	}
	st, err := s.awaitState(p, task, "TASK_DROPPED")
	switch {
	case err != nil:
		return "", err
	case st.Reason != "REASON_INVALID_OFFERS" || st.UUID != "":
		return "", fmt.Errorf("the task is %s", st)
	}
	return st.String(), nil
}

func checkOneVoid(p *probe, f *schedulerClient, o offer) (string, error) {
	if _, err := f.expectDropped(p, []id{o.ID, {Value: "k8sm-conformance-none"}}, o); err != nil {
		return "", err
	}
	seen, err := f.expectDropped(p, []id{o.ID}, o)
	if err != nil {
		return "", fmt.Errorf("the valid offer, used again: %w", err)
	}
	return seen, nil
}

// attributeConstraint returns offer_constraints with the predicate for an attribute that no
// agent has.
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
	f, err := p.framework(frameworkSpec{constraints: p.attributeConstraint(object{"exists": object{}})})
	if err != nil {
		return "", err
	}
	if err := expectNone(p, f, "an offer of an agent without the attribute", f.firstHeldOffer); err != nil {
		return "", err
	}
	a, err := f.call(p.ctx, "UPDATE_FRAMEWORK", object{"update_framework": p.message(frameworkSpec{
		id: f.frameworkID, constraints: p.attributeConstraint(object{"not_exists": object{}}),
	})})
	if _, err := expectAnswer(a, err, 200, ""); err != nil {
		return "", err
	}
	if err := f.expectOffers(p, "UPDATE_FRAMEWORK with constraints that all agents meet"); err != nil {
		return "", err
	}
	return "", nil
}

func checkBadConstraints(p *probe) (string, error) {
	if err := p.knowsConstraints(); err != nil {
		return "", err
	}
	nothing := object{"role_constraints": object{p.Role: object{"groups": []object{}}}}
	return p.expectSubscribeError(frameworkSpec{suppressed: true, constraints: nothing}, "")
}
