package config

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/k8sm/k8sm/mesos/nodeapi"
)

// defaultFields are the fields of our configuration that the pool's replace.
var defaultFields = []string{"clusterDNS", "clusterDomain", "logging", "podPidsLimit", "resolvConf", "serializeImagePulls"}

// memoryFields have thresholds of eviction that the kubelet gets as they are.
var memoryFields = []string{"evictionSoft", "evictionSoftGracePeriod", "evictionMinimumReclaim"}

// ofPods returns the pool's fields with thresholds for memory that refer to the memory of the
// node's pods: the kubelet takes those that the pool sets for the machine's.
func ofPods(fields map[string]json.RawMessage) (map[string]json.RawMessage, error) {
	fields = maps.Clone(fields)
	for _, field := range memoryFields {
		if _, set := fields[field]; !set {
			continue
		}
		var thresholds map[string]json.RawMessage
		if err := json.Unmarshal(fields[field], &thresholds); err != nil {
			return nil, fmt.Errorf("reading %s of the kubelet's configuration: %w", field, err)
		}
		value, set := thresholds[nodeapi.MemoryAvailable]
		if !set {
			continue
		}
		delete(thresholds, nodeapi.MemoryAvailable)
		thresholds[podMemoryAvailable] = value
		data, err := json.Marshal(thresholds)
		if err != nil {
			return nil, fmt.Errorf("writing %s of the kubelet's configuration: %w", field, err)
		}
		fields[field] = data
	}
	return fields, nil
}

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
	fields, err := ofPods(overrides.Fields)
	if err != nil {
		return nil, err
	}
	for field, value := range fields {
		if _, set := merged[field]; !set || slices.Contains(defaultFields, field) {
			merged[field] = value
		}
	}
	return merged, nil
}
