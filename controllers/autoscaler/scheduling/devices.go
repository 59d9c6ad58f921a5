package scheduling

import (
	corev1 "k8s.io/api/core/v1"
	resourceapi "k8s.io/api/resource/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	fwk "k8s.io/kube-scheduler/framework"
)

// noDevices describes a cluster without dynamic resources. A node that does not exist yet
// publishes no devices, so nothing is known for a pod that claims some; it is rejected, with
// the claim that was not found as the reason. The methods that noDevices does not implement
// are called only for claims that were found.
type noDevices struct{ fwk.SharedDRAManager }

func (noDevices) ResourceClaims() fwk.ResourceClaimTracker     { return noClaims{} }
func (noDevices) DeviceClassResolver() fwk.DeviceClassResolver { return noClasses{} }

type noClaims struct{ fwk.ResourceClaimTracker }

func (noClaims) Get(_, name string) (*resourceapi.ResourceClaim, error) {
	return nil, apierrors.NewNotFound(resourceapi.Resource("resourceclaims"), name)
}

type noClasses struct{}

func (noClasses) GetDeviceClass(corev1.ResourceName) *resourceapi.DeviceClass { return nil }
