package callcheck

import (
	"github.com/mesos/mesos-go/api/v1/lib/master"

	"github.com/k8sm/k8sm/mesos/mesostest/internal/mesoserror"
)

// Operator checks a call of an operator: it must have the message that belongs to its type.
func Operator(call *master.Call) error {
	if call.Type == master.Call_UNKNOWN {
		return mesoserror.Errorf("Expecting 'type' to be present")
	}
	for _, needs := range []struct {
		of    master.Call_Type
		field string
		isSet bool
	}{
		{master.Call_GET_METRICS, "get_metrics", call.GetMetrics != nil},
		{master.Call_SET_LOGGING_LEVEL, "set_logging_level", call.SetLoggingLevel != nil},
		{master.Call_LIST_FILES, "list_files", call.ListFiles != nil},
		{master.Call_READ_FILE, "read_file", call.ReadFile != nil},
		{master.Call_GROW_VOLUME, "grow_volume", call.GrowVolume != nil},
		{master.Call_SHRINK_VOLUME, "shrink_volume", call.ShrinkVolume != nil},
		{master.Call_DEACTIVATE_AGENT, "deactivate_agent", call.DeactivateAgent != nil},
		{master.Call_REACTIVATE_AGENT, "reactivate_agent", call.ReactivateAgent != nil},
		{master.Call_SET_QUOTA, "set_quota", call.SetQuota != nil},
		{master.Call_REMOVE_QUOTA, "remove_quota", call.RemoveQuota != nil},
		{master.Call_TEARDOWN, "teardown", call.Teardown != nil},
		{master.Call_MARK_AGENT_GONE, "mark_agent_gone", call.MarkAgentGone != nil},
		{master.Call_DRAIN_AGENT, "drain_agent", call.DrainAgent != nil},
		{master.Call_UPDATE_MAINTENANCE_SCHEDULE, "update_maintenance_schedule", call.UpdateMaintenanceSchedule != nil},
		{master.Call_START_MAINTENANCE, "start_maintenance", call.StartMaintenance != nil},
		{master.Call_STOP_MAINTENANCE, "stop_maintenance", call.StopMaintenance != nil},
		{master.Call_UPDATE_QUOTA, "update_quota", call.UpdateQuota != nil},
		{master.Call_UPDATE_WEIGHTS, "update_weights", call.UpdateWeights != nil},
		{master.Call_RESERVE_RESOURCES, "reserve_resources", call.ReserveResources != nil},
		{master.Call_UNRESERVE_RESOURCES, "unreserve_resources", call.UnreserveResources != nil},
		{master.Call_CREATE_VOLUMES, "create_volumes", call.CreateVolumes != nil},
		{master.Call_DESTROY_VOLUMES, "destroy_volumes", call.DestroyVolumes != nil},
	} {
		if call.Type == needs.of && !needs.isSet {
			return mesoserror.Errorf("Expecting '%s' to be present", needs.field)
		}
	}
	return nil
}
