package config

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/k8sm/k8sm/mesos/kubelet/kubelettest"
	"github.com/k8sm/k8sm/mesos/nodeapi"
)

func TestAPoolsConfigurationIsMerged(t *testing.T) {
	l := kubelettest.LaunchSpec()
	l.KubeletConfig = json.RawMessage(`{
		"kind": "Other", "maxPods": 30, "featureGates": {"A": true}, "clusterDNS": ["169.254.20.10"], "podPidsLimit": 100,
		"evictionHard": {"memory.available": "1%"}, "cpuCFSQuota": false, "cgroupRoot": "/"}`)
	k := kubeletOf(l)
	k.Reservation = Reservation{EvictionHard: map[string]string{"memory.available": "7"}}
	fields, err := merge(k.configuration(layoutOf(l)), k.Overrides)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, field := range []string{"kind", "maxPods", "featureGates", "clusterDNS", "clusterDomain", "podPidsLimit", "evictionHard", "cpuCFSQuota", "cgroupRoot"} {
		got[field] = string(fields[field])
	}
	want := map[string]string{
		"kind":    `"KubeletConfiguration"`,
		"maxPods": "30", "featureGates": `{"A": true}`, "clusterDNS": `["169.254.20.10"]`, "clusterDomain": `"cluster.local"`, "podPidsLimit": "100",
		"evictionHard": `{"memory.available":"7"}`, "cpuCFSQuota": "false", "cgroupRoot": `"/mesos/c1"`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("configuration (-want +got):\n%s", diff)
	}
}

// Every field that k8sm sets is reserved, a default, or computed from the pool's fields:
// nothing is silently ignored.
func TestEachConfigurationFieldIsOfOneKind(t *testing.T) {
	computed := []string{"apiVersion", "kind", "evictionHard", "cpuCFSQuota"}
	for field := range reflect.TypeFor[kubeletConfiguration]().Fields() {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		kinds := 0
		if slices.Contains(computed, name) {
			kinds++
		}
		if slices.Contains(defaultFields, name) {
			kinds++
		}
		if slices.Contains(nodeapi.ReservedFields(), name) {
			kinds++
		}
		if kinds != 1 {
			t.Errorf("%s is of %d kinds", name, kinds)
		}
	}
}

// Other tenants use the memory of the machine, and a pool's thresholds are for its nodes.
func TestThresholdsForMemoryReferToTheNodesPods(t *testing.T) {
	l := kubelettest.LaunchSpec()
	l.KubeletConfig = json.RawMessage(`{
		"evictionSoft": {"memory.available": "1Gi", "nodefs.available": "10%"}, "evictionSoftGracePeriod": {"memory.available": "1m"},
		"evictionMinimumReclaim": {"nodefs.available": "1Gi"}}`)
	k := kubeletOf(l)
	fields, err := merge(k.configuration(layoutOf(l)), k.Overrides)
	kubelettest.Must(t, err)
	got := map[string]string{}
	for _, field := range memoryFields {
		got[field] = string(fields[field])
	}
	want := map[string]string{
		"evictionSoft": `{"allocatableMemory.available":"1Gi","nodefs.available":"10%"}`, "evictionSoftGracePeriod": `{"allocatableMemory.available":"1m"}`,
		"evictionMinimumReclaim": `{"nodefs.available": "1Gi"}`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("thresholds (-want +got):\n%s", diff)
	}
	if _, err := ofPods(map[string]json.RawMessage{"evictionSoft": json.RawMessage("1")}); err == nil {
		t.Error("no error for thresholds that are none")
	}
}
