package mesostest

import (
	"fmt"
	"net/http"

	"github.com/mesos/mesos-go/api/v1/lib/allocator"
	schedulerpb "github.com/mesos/mesos-go/api/v1/lib/scheduler"

	"github.com/k8sm/k8sm/mesos/mesostest/internal/eventstream"
	"github.com/k8sm/k8sm/mesos/mesostest/internal/httpapi"
	"github.com/k8sm/k8sm/mesos/mesostest/internal/mesoserror"
	"github.com/k8sm/k8sm/mesos/mesostest/internal/naming"
	"github.com/k8sm/k8sm/mesos/mesostest/internal/offerconstraints"
)

// serveScheduler serves the scheduler API, /api/v1/scheduler.
func (m *Master) serveScheduler(w http.ResponseWriter, r *http.Request, principal string) {
	call := &offerconstraints.Call{}
	if !httpapi.ReadCall(w, r, call) {
		return
	}
	if !m.knowsConstraints() {
		call.Constraints = offerconstraints.Message{}
	}
	if err := validateCall(&call.Call, principal); err != nil {
		httpapi.Refuse(w, http.StatusBadRequest, "Failed to validate scheduler::Call: %v", err)
		return
	}
	mediaType, ok := httpapi.Negotiate(w, r)
	if !ok {
		return
	}
	streamID := r.Header.Get("Mesos-Stream-Id")
	if call.Type == schedulerpb.Call_SUBSCRIBE {
		m.serveSubscribe(w, r, call, mediaType, streamID, principal)
		return
	}
	if status, err := m.admit(&call.Call, streamID, principal); err != nil {
		httpapi.Refuse(w, status, "%v", err)
		return
	}
	if m.options.Observe != nil {
		m.options.Observe(&call.Call)
	}
	if m.loses(call) {
		httpapi.WriteAccepted(w)
		return
	}
	err := m.execute(call)
	m.afterCall()
	switch {
	case err != nil:
		httpapi.Refuse(w, http.StatusBadRequest, "%v", err)
	case call.Type == schedulerpb.Call_UPDATE_FRAMEWORK:
		w.WriteHeader(http.StatusOK)
	default:
		httpapi.WriteAccepted(w)
	}
}

func (m *Master) serveSubscribe(w http.ResponseWriter, r *http.Request, call *offerconstraints.Call, mediaType, streamID, principal string) {
	if streamID != "" {
		httpapi.Refuse(w, http.StatusBadRequest, "Subscribe calls should not include the 'Mesos-Stream-Id' header")
		return
	}
	if m.options.Observe != nil {
		m.options.Observe(&call.Call)
	}
	s := eventstream.New()
	f, err := m.subscribe(call, principal, s)
	if err != nil {
		s.Send(errorEvent(err.Error()))
		s.End()
	} else {
		defer m.disconnected(f, s)
	}
	httpapi.StartStream(w, mediaType, s.ID)
	m.serveStream(r.Context(), w, mediaType, s)
}

// validateCall is what Mesos checks before it looks for the framework.
func validateCall(call *schedulerpb.Call, principal string) error {
	if call.Type == schedulerpb.Call_UNKNOWN {
		return mesoserror.Errorf("Expecting 'type' to be present")
	}
	if call.Type == schedulerpb.Call_SUBSCRIBE {
		return validateSubscribe(call, principal)
	}
	if call.FrameworkID == nil {
		return mesoserror.Errorf("Expecting 'framework_id' to be present")
	}
	field, missing := missingField(call)
	if missing {
		return mesoserror.Errorf("Expecting '%s' to be present", field)
	}
	if call.Type == schedulerpb.Call_UPDATE_FRAMEWORK &&
		call.UpdateFramework.FrameworkInfo.GetID().GetValue() != call.FrameworkID.Value {
		return mesoserror.Errorf("'framework_id' differs from 'update_framework.framework_info.id'")
	}
	if call.Type == schedulerpb.Call_ACKNOWLEDGE && len(call.Acknowledge.UUID) != len(naming.UUID{}) {
		return mesoserror.Errorf("Not a valid UUID")
	}
	return nil
}

func validateSubscribe(call *schedulerpb.Call, principal string) error {
	if call.Subscribe == nil || call.Subscribe.FrameworkInfo == nil {
		return mesoserror.Errorf("Expecting 'subscribe' to be present")
	}
	info := call.Subscribe.FrameworkInfo
	if info.GetID().GetValue() != call.GetFrameworkID().GetValue() {
		return mesoserror.Errorf("'framework_id' differs from 'subscribe.framework_info.id'")
	}
	if info.Principal != nil && principal != "" && *info.Principal != principal {
		return wrongPrincipal(principal, *info.Principal)
	}
	return nil
}

func wrongPrincipal(authenticated, set string) error {
	return mesoserror.Errorf("Authenticated principal '%s' does not match principal '%s' set in `FrameworkInfo`", authenticated, set)
}

// missingField looks for the field that belongs to the call's type.
func missingField(call *schedulerpb.Call) (name string, missing bool) {
	switch call.Type {
	case schedulerpb.Call_ACCEPT:
		return "accept", call.Accept == nil
	case schedulerpb.Call_DECLINE:
		return "decline", call.Decline == nil
	case schedulerpb.Call_ACCEPT_INVERSE_OFFERS:
		return "accept_inverse_offers", call.AcceptInverseOffers == nil
	case schedulerpb.Call_DECLINE_INVERSE_OFFERS:
		return "decline_inverse_offers", call.DeclineInverseOffers == nil
	case schedulerpb.Call_KILL:
		return "kill", call.Kill == nil
	case schedulerpb.Call_SHUTDOWN:
		return "shutdown", call.Shutdown == nil
	case schedulerpb.Call_ACKNOWLEDGE:
		return "acknowledge", call.Acknowledge == nil
	case schedulerpb.Call_ACKNOWLEDGE_OPERATION_STATUS:
		return "acknowledge_operation_status", call.AcknowledgeOperationStatus == nil
	case schedulerpb.Call_RECONCILE:
		return "reconcile", call.Reconcile == nil
	case schedulerpb.Call_RECONCILE_OPERATIONS:
		return "reconcile_operations", call.ReconcileOperations == nil
	case schedulerpb.Call_MESSAGE:
		return "message", call.Message == nil
	case schedulerpb.Call_REQUEST:
		return "request", call.Request == nil
	case schedulerpb.Call_UPDATE_FRAMEWORK:
		return "update_framework", call.UpdateFramework == nil
	}
	return "", false
}

// admit says whether the framework may make the call on that stream, and counts it.
func (m *Master) admit(call *schedulerpb.Call, streamID, principal string) (status int, err error) {
	m.lockAsLeader()
	defer m.mu.Unlock()
	f, ok := m.frameworks[call.FrameworkID.Value]
	switch {
	case !ok:
		return http.StatusBadRequest, mesoserror.Errorf("Framework cannot be found")
	case principal != "" && principal != f.info.GetPrincipal():
		return http.StatusBadRequest, wrongPrincipal(principal, f.info.GetPrincipal())
	case f.stream == nil:
		return http.StatusForbidden, mesoserror.Errorf("Framework is not subscribed")
	case streamID == "":
		return http.StatusBadRequest, mesoserror.Errorf("All non-subscribe calls should include the 'Mesos-Stream-Id' header")
	case streamID != f.stream.ID:
		return http.StatusBadRequest, mesoserror.Errorf(
			"The stream ID '%s' included in this request didn't match the stream ID currently associated with framework ID %s",
			streamID, f.id)
	}
	m.calls[call.Type.String()]++
	return 0, nil
}

// execute does what the call says. Only UPDATE_FRAMEWORK can be refused by now.
func (m *Master) execute(call *offerconstraints.Call) error {
	m.lockAsLeader()
	defer m.mu.Unlock()
	f, ok := m.frameworks[call.FrameworkID.Value]
	if !ok {
		return mesoserror.Errorf("Framework cannot be found")
	}
	switch call.Type {
	case schedulerpb.Call_UPDATE_FRAMEWORK:
		return m.updateFramework(f, call)
	case schedulerpb.Call_TEARDOWN:
		m.removeFramework(f)
	case schedulerpb.Call_KILL:
		m.kill(f, call.Kill)
	case schedulerpb.Call_SHUTDOWN:
		m.shutdown(f, call.Shutdown)
	case schedulerpb.Call_ACKNOWLEDGE:
		m.acknowledge(f, call.Acknowledge)
	case schedulerpb.Call_RECONCILE:
		m.reconcile(f, call.Reconcile.Tasks)
	case schedulerpb.Call_MESSAGE:
		m.message(f, call.Message)
	case schedulerpb.Call_ACKNOWLEDGE_OPERATION_STATUS:
		m.acknowledgeOperation(f, call.AcknowledgeOperationStatus)
	case schedulerpb.Call_RECONCILE_OPERATIONS:
		m.reconcileOperations(f, call.ReconcileOperations.Operations)
	default:
		m.answerOffers(f, &call.Call)
	}
	return nil
}

// answerOffers executes the calls about offers. Others are taken, and nothing comes of
// them.
func (m *Master) answerOffers(f *framework, call *schedulerpb.Call) {
	switch call.Type {
	case schedulerpb.Call_ACCEPT:
		m.accept(f, call.Accept)
	case schedulerpb.Call_DECLINE:
		m.decline(f, call.Decline)
	case schedulerpb.Call_ACCEPT_INVERSE_OFFERS:
		c := call.AcceptInverseOffers
		m.answerInverse(c.InverseOfferIDs, c.Filters, allocator.InverseOfferStatus_ACCEPT)
	case schedulerpb.Call_DECLINE_INVERSE_OFFERS:
		c := call.DeclineInverseOffers
		m.answerInverse(c.InverseOfferIDs, c.Filters, allocator.InverseOfferStatus_DECLINE)
	case schedulerpb.Call_REVIVE:
		m.revive(f, call.GetRevive().GetRoles())
	case schedulerpb.Call_SUPPRESS:
		m.suppress(f, call.GetSuppress().GetRoles())
	}
}

// knowsConstraints says whether the master's version has offer constraints. To others
// they are an unknown field.
func (m *Master) knowsConstraints() bool {
	var major, minor int
	_, err := fmt.Sscanf(m.options.Version, "%d.%d", &major, &minor)
	return err != nil || major > 1 || major == 1 && minor >= 11
}
