package mesostest

import (
	"fmt"
	"net/http"

	"github.com/mesos/mesos-go/api/v1/lib/allocator"
	schedulerpb "github.com/mesos/mesos-go/api/v1/lib/scheduler"

	"github.com/k8sm/k8sm/mesos/mesostest/internal/callcheck"
	"github.com/k8sm/k8sm/mesos/mesostest/internal/events"
	"github.com/k8sm/k8sm/mesos/mesostest/internal/eventstream"
	"github.com/k8sm/k8sm/mesos/mesostest/internal/httpapi"
	"github.com/k8sm/k8sm/mesos/mesostest/internal/mesoserror"
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
	if err := callcheck.Scheduler(&call.Call, principal); err != nil {
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
	if m.losesCall(call) {
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
		s.Send(events.Error(err.Error()))
		s.End()
	} else {
		defer f.disconnected(s)
	}
	httpapi.StartStream(w, mediaType, s.ID)
	m.serveStream(r.Context(), w, mediaType, s)
}

// admit reports whether the framework may make the call on that stream, and counts it.
func (m *Master) admit(call *schedulerpb.Call, streamID, principal string) (status int, err error) {
	m.lockAsLeader()
	defer m.mu.Unlock()
	f, ok := m.frameworks[call.FrameworkID.Value]
	switch {
	case !ok:
		return http.StatusBadRequest, mesoserror.Errorf("Framework cannot be found")
	case principal != "" && principal != f.info.GetPrincipal():
		return http.StatusBadRequest, callcheck.WrongPrincipal(principal, f.info.GetPrincipal())
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

// execute executes a call that was admitted. Only UPDATE_FRAMEWORK can still be refused.
func (m *Master) execute(call *offerconstraints.Call) error {
	m.lockAsLeader()
	defer m.mu.Unlock()
	f, ok := m.frameworks[call.FrameworkID.Value]
	if !ok {
		return mesoserror.Errorf("Framework cannot be found")
	}
	switch call.Type {
	case schedulerpb.Call_UPDATE_FRAMEWORK:
		return f.updateInfo(call)
	case schedulerpb.Call_TEARDOWN:
		f.remove()
	case schedulerpb.Call_KILL:
		f.kill(call.Kill)
	case schedulerpb.Call_SHUTDOWN:
		f.shutdown(call.Shutdown)
	case schedulerpb.Call_ACKNOWLEDGE:
		f.acknowledge(call.Acknowledge)
	case schedulerpb.Call_RECONCILE:
		f.reconcileTasks(call.Reconcile.Tasks)
	case schedulerpb.Call_MESSAGE:
		f.message(call.Message)
	case schedulerpb.Call_ACKNOWLEDGE_OPERATION_STATUS:
		f.acknowledgeOperation(call.AcknowledgeOperationStatus)
	case schedulerpb.Call_RECONCILE_OPERATIONS:
		f.reconcileOperations(call.ReconcileOperations.Operations)
	default:
		f.answerOffers(&call.Call)
	}
	return nil
}

// answerOffers executes the calls about offers. Other calls have no effect.
func (f *framework) answerOffers(call *schedulerpb.Call) {
	switch call.Type {
	case schedulerpb.Call_ACCEPT:
		f.accept(call.Accept)
	case schedulerpb.Call_DECLINE:
		f.decline(call.Decline)
	case schedulerpb.Call_ACCEPT_INVERSE_OFFERS:
		c := call.AcceptInverseOffers
		f.cluster.answerInverseOffers(c.InverseOfferIDs, c.Filters, allocator.InverseOfferStatus_ACCEPT)
	case schedulerpb.Call_DECLINE_INVERSE_OFFERS:
		c := call.DeclineInverseOffers
		f.cluster.answerInverseOffers(c.InverseOfferIDs, c.Filters, allocator.InverseOfferStatus_DECLINE)
	case schedulerpb.Call_REVIVE:
		f.revive(call.GetRevive().GetRoles())
	case schedulerpb.Call_SUPPRESS:
		f.suppress(call.GetSuppress().GetRoles())
	}
}

// knowsConstraints reports whether the master's version has offer constraints. To others
// they are an unknown field.
func (m *Master) knowsConstraints() bool {
	var major, minor int
	_, err := fmt.Sscanf(m.options.Version, "%d.%d", &major, &minor)
	return err != nil || major > 1 || major == 1 && minor >= 11
}
