package kubelet

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/k8sm/k8sm/mesos/nodeapi"
)

// defaultFields are the fields of our configuration that give way to the pool's.
var defaultFields = []string{"clusterDNS", "clusterDomain", "logging", "podPidsLimit", "serializeImagePulls"}

// merged is our configuration with the pool's in it: the pool's fields replace what is only
// a default, and are put beside the rest. Those of which both have a say are ours, since
// they were computed from the pool's.
func merged(ours kubeletConfiguration, overrides nodeapi.ConfigOverrides) (map[string]json.RawMessage, error) {
	data, err := json.Marshal(ours)
	if err != nil {
		return nil, fmt.Errorf("writing the kubelet's configuration: %w", err)
	}
	var out map[string]json.RawMessage
	if err := json.Unmarshal(data, &out); err != nil {
		return nil, fmt.Errorf("reading the kubelet's configuration: %w", err)
	}
	for field, value := range overrides.Fields {
		if _, set := out[field]; !set || slices.Contains(defaultFields, field) {
			out[field] = value
		}
	}
	return out, nil
}

// overridesOf a message that was validated.
func overridesOf(l *nodeapi.LaunchSpec) nodeapi.ConfigOverrides {
	overrides, _ := nodeapi.ParseConfigOverrides(l.KubeletConfig)
	return overrides
}
