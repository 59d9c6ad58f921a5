package mesostest

import (
	"net/http"
	"slices"

	mesos "github.com/mesos/mesos-go/api/v1/lib"
	"github.com/mesos/mesos-go/api/v1/lib/maintenance"
	"github.com/mesos/mesos-go/api/v1/lib/master"

	"github.com/k8sm/k8sm/mesos/mesostest/internal/callcheck"
	"github.com/k8sm/k8sm/mesos/mesostest/internal/codec"
	"github.com/k8sm/k8sm/mesos/mesostest/internal/httpapi"
	"github.com/k8sm/k8sm/mesos/mesostest/internal/resource"
)

// serveOperator serves the operator API, /api/v1, and any path below it.
func (m *Master) serveOperator(w http.ResponseWriter, r *http.Request) {
	call := &master.Call{}
	if !httpapi.ReadCall(w, r, call) {
		return
	}
	if err := callcheck.Operator(call); err != nil {
		httpapi.Refuse(w, http.StatusBadRequest, "Failed to validate master::Call: %v", err)
		return
	}
	mediaType, ok := httpapi.Negotiate(w, r)
	if !ok {
		return
	}
	switch call.Type {
	case master.Call_TEARDOWN:
		if m.RemoveFramework(call.Teardown.FrameworkID.Value) != nil {
			httpapi.Refuse(w, http.StatusBadRequest, "No framework found with specified ID")
		}
		return
	case master.Call_MARK_AGENT_GONE:
		if !m.MarkAgentGone(call.MarkAgentGone.AgentID.Value) {
			httpapi.Refuse(w, http.StatusNotFound, "Agent '%s' not found", call.MarkAgentGone.AgentID.Value)
		}
		return
	}
	if m.administer(w, call) || m.convertResources(w, call) {
		return
	}
	response := m.read(call.Type)
	if response == nil {
		httpapi.Refuse(w, http.StatusNotImplemented, "%s is not implemented", call.Type)
		return
	}
	body, err := codec.Encode(mediaType, response)
	if err != nil {
		httpapi.Refuse(w, http.StatusInternalServerError, "%v", err)
		return
	}
	w.Header().Set("Content-Type", mediaType)
	httpapi.WriteBody(w, r, body)
}

// agentOf the calls around draining.
func agentOf(call *master.Call) string {
	switch call.Type {
	case master.Call_DRAIN_AGENT:
		return call.DrainAgent.AgentID.Value
	case master.Call_DEACTIVATE_AGENT:
		return call.GetDeactivateAgent().GetAgentID().Value
	case master.Call_REACTIVATE_AGENT:
		return call.GetReactivateAgent().GetAgentID().Value
	}
	return ""
}

// MarkAgentGone is the operator's MARK_AGENT_GONE: the agent will not come back. It
// reports whether the master knew the agent.
func (m *Master) MarkAgentGone(id string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	a, ok := m.agentsByID[id]
	if ok {
		a.record.markGone()
	}
	return ok || m.goneAgents[id]
}

// read answers the calls that only look.
func (m *Master) read(call master.Call_Type) *master.Response {
	m.lockAsLeader()
	defer m.mu.Unlock()
	switch call {
	case master.Call_GET_HEALTH:
		return &master.Response{Type: master.Response_GET_HEALTH, GetHealth: &master.Response_GetHealth{Healthy: true}}
	case master.Call_GET_VERSION:
		return &master.Response{Type: master.Response_GET_VERSION, GetVersion: &master.Response_GetVersion{
			VersionInfo: mesos.VersionInfo{Version: m.options.Version},
		}}
	case master.Call_GET_MASTER:
		started, elected := float64(m.started.UnixNano())/1e9, float64(m.elected.UnixNano())/1e9
		return &master.Response{Type: master.Response_GET_MASTER, GetMaster: &master.Response_GetMaster{
			MasterInfo: m.info(), StartTime: &started, ElectedTime: &elected,
		}}
	case master.Call_GET_AGENTS:
		return &master.Response{Type: master.Response_GET_AGENTS, GetAgents: m.readAgents()}
	case master.Call_GET_FRAMEWORKS:
		return &master.Response{Type: master.Response_GET_FRAMEWORKS, GetFrameworks: m.readFrameworks()}
	case master.Call_GET_TASKS:
		return &master.Response{Type: master.Response_GET_TASKS, GetTasks: m.readTasks()}
	case master.Call_GET_EXECUTORS:
		return &master.Response{Type: master.Response_GET_EXECUTORS, GetExecutors: m.readExecutors()}
	case master.Call_GET_ROLES:
		return &master.Response{Type: master.Response_GET_ROLES, GetRoles: m.readRoles()}
	case master.Call_GET_MAINTENANCE_STATUS:
		return &master.Response{Type: master.Response_GET_MAINTENANCE_STATUS, GetMaintenanceStatus: &master.Response_GetMaintenanceStatus{
			Status: m.maintenance.status(),
		}}
	case master.Call_GET_MAINTENANCE_SCHEDULE:
		return &master.Response{Type: master.Response_GET_MAINTENANCE_SCHEDULE, GetMaintenanceSchedule: &master.Response_GetMaintenanceSchedule{
			Schedule: maintenance.Schedule{Windows: slices.Clone(m.maintenance.plan.Windows())},
		}}
	case master.Call_GET_OPERATIONS:
		return &master.Response{Type: master.Response_GET_OPERATIONS, GetOperations: m.readOperations()}
	case master.Call_GET_QUOTA:
		return &master.Response{Type: master.Response_GET_QUOTA, GetQuota: m.quota.readQuota()}
	case master.Call_GET_WEIGHTS:
		return &master.Response{Type: master.Response_GET_WEIGHTS, GetWeights: m.quota.readWeights()}
	case master.Call_GET_STATE:
		return &master.Response{Type: master.Response_GET_STATE, GetState: &master.Response_GetState{
			GetTasks:      m.readTasks(),
			GetExecutors:  m.readExecutors(),
			GetFrameworks: m.readFrameworks(),
			GetAgents:     m.readAgents(),
		}}
	}
	return nil
}

// operationOf returns the calls that reserve resources and create volumes as the operation
// that a framework would send.
func operationOf(call *master.Call) (agentID string, op *mesos.Offer_Operation) {
	switch call.Type {
	case master.Call_RESERVE_RESOURCES:
		return call.ReserveResources.AgentID.Value, &mesos.Offer_Operation{
			Type: mesos.Offer_Operation_RESERVE, Reserve: &mesos.Offer_Operation_Reserve{Resources: call.ReserveResources.Resources},
		}
	case master.Call_UNRESERVE_RESOURCES:
		return call.UnreserveResources.AgentID.Value, &mesos.Offer_Operation{
			Type: mesos.Offer_Operation_UNRESERVE, Unreserve: &mesos.Offer_Operation_Unreserve{Resources: call.UnreserveResources.Resources},
		}
	case master.Call_CREATE_VOLUMES:
		return call.CreateVolumes.AgentID.Value, &mesos.Offer_Operation{
			Type: mesos.Offer_Operation_CREATE, Create: &mesos.Offer_Operation_Create{Volumes: call.CreateVolumes.Volumes},
		}
	case master.Call_DESTROY_VOLUMES:
		return call.DestroyVolumes.AgentID.Value, &mesos.Offer_Operation{
			Type: mesos.Offer_Operation_DESTROY, Destroy: &mesos.Offer_Operation_Destroy{Volumes: call.DestroyVolumes.Volumes},
		}
	}
	return "", nil
}

// convertResources answers calls that reserve resources or create volumes, and reports
// whether the call was one.
func (m *Master) convertResources(w http.ResponseWriter, call *master.Call) bool {
	agentID, op := operationOf(call)
	if op == nil {
		return false
	}
	c, _ := resource.ConversionOf(op)
	m.lockAsLeader()
	defer m.mu.Unlock()
	if status, err := m.convertByOperator(agentID, c); err != nil {
		httpapi.Refuse(w, status, "%v", err)
		return true
	}
	httpapi.WriteAccepted(w)
	return true
}
