package mesostest

import (
	"fmt"
	"net/http"

	mesos "github.com/mesos/mesos-go/api/v1/lib"

	"github.com/k8sm/k8sm/mesos/mesostest/internal/mesoserror"
	"github.com/k8sm/k8sm/mesos/mesostest/internal/resource"
)

// validateConversion checks an operation on the remaining resources of offers.
func (a *offerAcceptance) validateConversion(op *mesos.Offer_Operation, c resource.Conversion) error {
	if op.Reserve != nil && len(op.Reserve.Source) > 0 {
		return mesoserror.Errorf("Operation attempted with invalid resources: Reservation updates are not yet implemented for the scheduler API.")
	}
	where := fmt.Sprintf("; on agent %s at %s (%s)", a.agent.record.id, a.agent.pid(), a.agent.options.Hostname)
	for _, r := range c.Converted {
		if op.Type != mesos.Offer_Operation_RESERVE || len(r.Reservations) == 0 {
			continue
		}
		last := r.Reservations[len(r.Reservations)-1]
		switch principal := a.framework.info.GetPrincipal(); {
		case last.GetPrincipal() != principal:
			return mesoserror.Errorf("A reserve operation was attempted by authenticated principal '%s', which does not match a "+
				"reserved resource in the request with principal '%s'%s", principal, last.GetPrincipal(), where)
		case last.GetRole() != a.role:
			return mesoserror.Errorf("A reserve operation was attempted for a resource with role '%s', but the resource was allocated to role '%s'%s",
				last.GetRole(), a.role, where)
		}
	}
	if !a.left.Contains(resource.QuantitiesOf(c.Consumed...)) {
		return mesoserror.Errorf("%s does not contain %s", resource.Describe(a.left.Messages(a.role, false)), resource.Describe(c.Consumed))
	}
	return nil
}

// convert applies an operation to all resources of the agent.
func (r *agentRecord) convert(c resource.Conversion) {
	c.Apply(r.total)
	if r.state == agentActive || r.state == agentDisconnected {
		c.Apply(r.cluster.total)
	}
}

// convertByOperator executes RESERVE_RESOURCES and similar calls. Offers are
// rescinded until their resources alone are enough, even if more is free, and not made
// again to the same frameworks for a while. It returns the HTTP status of the answer.
func (c *cluster) convertByOperator(agentID string, conversion resource.Conversion) (status int, err error) {
	a, ok := c.agentsByID[agentID]
	if !ok || a.record.state == agentRecovered || a.record.state == agentUnreachable {
		return http.StatusBadRequest, mesoserror.Errorf("No agent found with specified ID")
	}
	need, recovered := resource.QuantitiesOf(conversion.Consumed...), resource.QuantitiesOf()
	for _, o := range valuesByKey(a.record.offers) {
		if o.resources.Overlaps(need) && !recovered.Contains(need) {
			recovered.Add(o.resources)
			o.rescind()
			o.framework.addFilter(a, o.role, o.resources, nil)
		}
	}
	if !a.record.free.Contains(need) {
		return http.StatusConflict, mesoserror.Errorf("%s does not contain %s", resource.Describe(a.record.free.Messages("", false)), resource.Describe(conversion.Consumed))
	}
	conversion.Apply(a.record.free)
	a.record.convert(conversion)
	return http.StatusAccepted, nil
}
