package callcheck

import (
	mesos "github.com/mesos/mesos-go/api/v1/lib"
	"github.com/mesos/mesos-go/api/v1/lib/executor"

	"github.com/k8sm/k8sm/mesos/mesostest/internal/mesoserror"
	"github.com/k8sm/k8sm/mesos/mesostest/internal/naming"
)

// Executor checks a call of an executor.
func Executor(call *executor.Call) error {
	switch call.Type {
	case executor.Call_UNKNOWN:
		return mesoserror.Errorf("Expecting 'type' to be present")
	case executor.Call_SUBSCRIBE:
		if call.Subscribe == nil {
			return mesoserror.Errorf("Expecting 'subscribe' to be present")
		}
	case executor.Call_MESSAGE:
		if call.Message == nil {
			return mesoserror.Errorf("Expecting 'message' to be present")
		}
	case executor.Call_UPDATE:
		if call.Update == nil {
			return mesoserror.Errorf("Expecting 'update' to be present")
		}
		return validateExecutorUpdate(call)
	}
	return nil
}

func validateExecutorUpdate(call *executor.Call) error {
	status := &call.Update.Status
	switch {
	case status.UUID == nil:
		return mesoserror.Errorf("Expecting 'uuid' to be present")
	case naming.ValidateUUID(status.UUID) != nil:
		return naming.ValidateUUID(status.UUID)
	case status.ExecutorID != nil && status.ExecutorID.Value != call.ExecutorID.Value:
		return mesoserror.Errorf("ExecutorID in Call: %s does not match ExecutorID in TaskStatus: %s",
			call.ExecutorID.Value, status.ExecutorID.Value)
	case status.Source == nil || *status.Source != mesos.SOURCE_EXECUTOR:
		return mesoserror.Errorf("Received Call from executor %s of framework %s with invalid source, expecting 'SOURCE_EXECUTOR'",
			call.ExecutorID.Value, call.FrameworkID.Value)
	case status.GetState() == mesos.TASK_STAGING:
		return mesoserror.Errorf("Received TASK_STAGING from executor %s of framework %s which is not allowed",
			call.ExecutorID.Value, call.FrameworkID.Value)
	}
	return validateCheckStatus(status.CheckStatus)
}

// validateCheckStatus checks the result of a task's check; nil is valid.
func validateCheckStatus(s *mesos.CheckStatusInfo) error {
	switch {
	case s == nil:
		return nil
	case s.Type == nil:
		return mesoserror.Errorf("CheckStatusInfo must specify 'type'")
	case *s.Type == mesos.CheckInfo_UNKNOWN:
		return mesoserror.Errorf("'UNKNOWN' is not a valid check's status type")
	case *s.Type == mesos.CheckInfo_COMMAND && s.Command == nil:
		return mesoserror.Errorf("Expecting 'command' to be set for COMMAND check's status")
	case *s.Type == mesos.CheckInfo_HTTP && s.HTTP == nil:
		return mesoserror.Errorf("Expecting 'http' to be set for HTTP check's status")
	case *s.Type == mesos.CheckInfo_TCP && s.TCP == nil:
		return mesoserror.Errorf("Expecting 'tcp' to be set for TCP check's status")
	}
	return nil
}
