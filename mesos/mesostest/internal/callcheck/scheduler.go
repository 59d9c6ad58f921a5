// Package callcheck checks calls of schedulers, executors and operators as Mesos does
// before it looks at its state, with errors in Mesos' words.
package callcheck

import (
	schedulerpb "github.com/mesos/mesos-go/api/v1/lib/scheduler"

	"github.com/k8sm/k8sm/mesos/mesostest/internal/mesoserror"
	"github.com/k8sm/k8sm/mesos/mesostest/internal/naming"
)

// Scheduler is what Mesos checks before it looks for the framework.
func Scheduler(call *schedulerpb.Call, principal string) error {
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
	switch call.Type {
	case schedulerpb.Call_ACKNOWLEDGE:
		return naming.ValidateUUID(call.Acknowledge.UUID)
	case schedulerpb.Call_ACKNOWLEDGE_OPERATION_STATUS:
		if err := naming.ValidateUUID(call.AcknowledgeOperationStatus.UUID); err != nil {
			return err
		}
		if call.AcknowledgeOperationStatus.AgentID == nil {
			return mesoserror.Errorf("Expecting 'agent_id' to be present")
		}
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
		return WrongPrincipal(principal, *info.Principal)
	}
	return nil
}

// WrongPrincipal is the error for a call whose principal is not the one of its framework.
func WrongPrincipal(authenticated, set string) error {
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
