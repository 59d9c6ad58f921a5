package config

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/k8sm/k8sm/mesos/nodeapi"
)

// defaultFields are the fields of our configuration that the pool's replace.
var defaultFields = []string{"clusterDNS", "clusterDomain", "logging", "podPidsLimit", "serializeImagePulls"}

// merge returns our configuration with the pool's fields in it: they replace defaults, and
// are put beside the rest. Fields of which both have a say are ours, since they were computed
// from the pool's.
func merge(ours kubeletConfiguration, overrides nodeapi.ConfigOverrides) (map[string]json.RawMessage, error) {
	data, err := json.Marshal(ours)
	if err != nil {
		return nil, fmt.Errorf("writing the kubelet's configuration: %w", err)
	}
	var merged map[string]json.RawMessage
	if err := json.Unmarshal(data, &merged); err != nil {
		return nil, fmt.Errorf("reading the kubelet's configuration: %w", err)
	}
	for field, value := range overrides.Fields {
		if _, set := merged[field]; !set || slices.Contains(defaultFields, field) {
			merged[field] = value
		}
	}
	return merged, nil
}
