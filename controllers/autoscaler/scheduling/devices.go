package scheduling

import (
	corev1 "k8s.io/api/core/v1"
	resourceapi "k8s.io/api/resource/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	fwk "k8s.io/kube-scheduler/framework"
)

// noDevices is a world without dynamic resources: a node that doesn't exist yet publishes no
// devices, so that nothing can be said of a pod that claims some, and it is refused, with
// the claim that was not found as the reason. What it doesn't implement is asked only of
// claims that were found.
type noDevices struct{ fwk.SharedDRAManager }

func (noDevices) ResourceClaims() fwk.ResourceClaimTracker     { return noClaims{} }
func (noDevices) DeviceClassResolver() fwk.DeviceClassResolver { return noClasses{} }

type noClaims struct{ fwk.ResourceClaimTracker }

func (noClaims) Get(_, name string) (*resourceapi.ResourceClaim, error) {
	return nil, apierrors.NewNotFound(resourceapi.Resource("resourceclaims"), name)
}

type noClasses struct{}

func (noClasses) GetDeviceClass(corev1.ResourceName) *resourceapi.DeviceClass { return nil }
