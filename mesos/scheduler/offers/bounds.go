package offers

import (
	"fmt"

	mesos "github.com/mesos/mesos-go/api/v1/lib"
)

// Bounds of what an agent says about itself. Its ID, host name, region and zone are stored in
// objects of Kubernetes and become labels; its attributes are compared with constraints.
// Mesos itself bounds none of them.
const (
	maxName           = 255
	maxAttributes     = 1000
	maxAttributeBytes = 128 << 10
)

// CheckAgent returns an error for an agent that says more about itself than can be stored:
// it is not used.
func CheckAgent(id, hostname string, domain *mesos.DomainInfo, attributes []mesos.Attribute) error {
	region, zone := domain.GetFaultDomain().GetRegion(), domain.GetFaultDomain().GetZone()
	for _, name := range []struct{ what, value string }{
		{"ID", id},
		{"host name", hostname},
		{"region", region.Name},
		{"zone", zone.Name},
	} {
		if len(name.value) > maxName {
			return fmt.Errorf("agent %.64q has an unusable %s of %d bytes, more than %d", id, name.what, len(name.value), maxName)
		}
	}
	if len(attributes) > maxAttributes {
		return fmt.Errorf("agent %.64q has %d attributes, more than %d", id, len(attributes), maxAttributes)
	}
	size := 0
	for i := range attributes {
		if size += attributes[i].Size(); size > maxAttributeBytes {
			return fmt.Errorf("agent %.64q has attributes of more than %d bytes", id, maxAttributeBytes)
		}
	}
	return nil
}
