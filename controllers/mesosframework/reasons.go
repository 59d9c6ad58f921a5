package mesosframework

import (
	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/mesos/scheduler"
)

// conditionReasons maps every reason of a session's state to the reason of conditions.
var conditionReasons = map[scheduler.StateReason]string{
	scheduler.Subscribed:        v1alpha1.ReasonSubscribed,
	scheduler.Connecting:        v1alpha1.ReasonConnecting,
	scheduler.ReconcilingTasks:  v1alpha1.ReasonReconcilingTasks,
	scheduler.MasterUnreachable: v1alpha1.ReasonMasterUnreachable,
	scheduler.NoLeader:          v1alpha1.ReasonNoLeader,
	scheduler.NotLeading:        v1alpha1.ReasonNotLeading,
	scheduler.TooManyRedirects:  v1alpha1.ReasonTooManyRedirects,
	scheduler.Unauthorized:      v1alpha1.ReasonUnauthorized,
	scheduler.NotAMesosMaster:   v1alpha1.ReasonNotAMesosMaster,

	scheduler.MasterCertificateInvalid: v1alpha1.ReasonMasterCertificateInvalid,
	scheduler.ClientCertificateRefused: v1alpha1.ReasonClientCertificateRefused,
	scheduler.ConnectionClosed:         v1alpha1.ReasonConnectionClosed,
	scheduler.ProtocolError:            v1alpha1.ReasonProtocolError,
	scheduler.Refused:                  v1alpha1.ReasonRefused,
	scheduler.FrameworkRemoved:         v1alpha1.ReasonFrameworkRemoved,
	scheduler.FailedOver:               v1alpha1.ReasonFailedOver,
}

// conditionReason returns the reason of conditions for the reason of a session's state. A
// session without a reason has not tried to connect yet.
func conditionReason(reason scheduler.StateReason) string {
	if mapped, ok := conditionReasons[reason]; ok {
		return mapped
	}
	return v1alpha1.ReasonConnecting
}
