package nodeapi

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
)

// A pool's fields of the kubelet's configuration are of three kinds: fields that k8sm sets,
// which are refused; fields that both have a say in (eviction thresholds, the CPU quota),
// from which the executor computes its own values; and all others, which are passed on.

// reservedFields are the fields that no pool sets, and why.
var reservedFields = []struct {
	fields []string
	why    string
}{
	{[]string{"authentication", "authorization", "rotateCertificates", "serverTLSBootstrap", "tlsCertFile", "tlsPrivateKeyFile"},
		"the operator approves the node's certificates, and the API server says who may ask the kubelet"},
	{[]string{"address", "port", "readOnlyPort", "healthzPort", "healthzBindAddress", "enableServer"},
		"address and ports are those of the Mesos offer"},
	{[]string{"providerID", "registerNode", "runOnce"}, "the kubelet registers the Node that its MesosNode stands for"},
	{[]string{"registerWithTaints"}, "taints stand in template.spec.taints and template.spec.startupTaints"},
	{[]string{"staticPodPath", "staticPodURL", "staticPodURLHeader"}, "static pods stand in template.spec.kubelet.staticPods"},
	{[]string{"containerRuntimeEndpoint", "imageServiceEndpoint"}, "the executor sees to the container runtime"},
	{[]string{"podLogsDir", "volumePluginDir"}, "what a node writes lies in its state folder, and is removed with it"},
	{[]string{"cgroupRoot", "cgroupDriver", "cgroupsPerQOS", "enforceNodeAllocatable", "kubeletCgroups", "systemCgroups", "systemReservedCgroup", "kubeReservedCgroup", "failCgroupV1"},
		"pods live in the Mesos container's cgroup"},
	{[]string{"systemReserved", "kubeReserved", "reservedSystemCPUs", "reservedMemory", "localStorageCapacityIsolation", "mergeDefaultEvictionSettings"},
		"allocatable is the Mesos allocation less template.spec.overhead"},
	{[]string{"cpuManagerPolicy", "cpuManagerPolicyOptions", "cpuManagerReconcilePeriod", "memoryManagerPolicy",
		"topologyManagerPolicy", "topologyManagerScope", "topologyManagerPolicyOptions"},
		"Mesos allots shares of CPUs and amounts of memory, not CPUs and banks of memory that are a node's alone"},
	{[]string{"failSwapOn"}, "swap is the agent's; how pods use it is in memorySwap"},
	{[]string{"shutdownGracePeriod", "shutdownGracePeriodCriticalPods", "shutdownGracePeriodByPodPriority"},
		"the executor ends the pods when Mesos ends the node; the kubelet would hold up the machine's shutdown"},
	{[]string{"makeIPTablesUtilChains"}, "the chains would outlive the node"},
}

// ReservedFields names the fields of a KubeletConfiguration that no pool sets, sorted.
func ReservedFields() []string {
	var names []string
	for _, group := range reservedFields {
		names = append(names, group.fields...)
	}
	slices.Sort(names)
	return names
}

// MemoryAvailable is the eviction signal whose threshold is taken out of the overhead.
const MemoryAvailable = "memory.available"

// ConfigOverrides are a pool's fields of the kubelet's configuration, read once.
type ConfigOverrides struct {
	// Fields are all of them, by their names.
	Fields map[string]json.RawMessage
	// EvictionHard are thresholds by their signals.
	EvictionHard map[string]Threshold
	// CPUCFSQuota is nil where the pool leaves it to k8sm.
	CPUCFSQuota *bool
}

// ParseConfigOverrides reads LaunchSpec.KubeletConfig, which may be empty, and reports
// everything that is wrong with it whatever the node's size. What the problems do not
// concern is in the overrides all the same.
func ParseConfigOverrides(config json.RawMessage) (ConfigOverrides, []error) {
	var overrides ConfigOverrides
	if len(config) == 0 {
		return overrides, nil
	}
	if err := json.Unmarshal(config, &overrides.Fields); err != nil || overrides.Fields == nil {
		return ConfigOverrides{}, []error{errors.New("it is not a JSON object")}
	}
	var problems []error
	for _, group := range reservedFields {
		for _, field := range group.fields {
			if _, set := overrides.Fields[field]; set {
				problems = append(problems, fmt.Errorf("%s is not a pool's to set: %s", field, group.why))
			}
		}
	}
	var shared struct {
		EvictionHard map[string]string `json:"evictionHard"`
		CPUCFSQuota  *bool             `json:"cpuCFSQuota"`
	}
	if err := json.Unmarshal(config, &shared); err != nil {
		return overrides, append(problems, fmt.Errorf("reading evictionHard and cpuCFSQuota: %w", err))
	}
	overrides.CPUCFSQuota = shared.CPUCFSQuota
	overrides.EvictionHard = map[string]Threshold{}
	for _, signal := range slices.Sorted(maps.Keys(shared.EvictionHard)) {
		threshold, err := ParseThreshold(shared.EvictionHard[signal])
		if err != nil {
			problems = append(problems, fmt.Errorf("evictionHard[%s]: %w", signal, err))
			continue
		}
		overrides.EvictionHard[signal] = threshold
	}
	return overrides, problems
}

// CheckConfig reports what is wrong with a pool's fields of a KubeletConfiguration, in JSON,
// for a node of that memory (MiB). Amounts of evictionHard must be plain numbers or
// percentages. Whether the fields exist is checked by nodetemplate, which knows Kubernetes.
func CheckConfig(config json.RawMessage, memMiB, overheadMemMiB float64) []error {
	if len(config) == 0 {
		return []error{errors.New("it is not a JSON object")}
	}
	overrides, problems := ParseConfigOverrides(config)
	margin := overrides.EvictionHard[MemoryAvailable].Of(Bytes(memMiB))
	if overhead := Bytes(overheadMemMiB); margin > overhead/2 {
		problems = append(problems, fmt.Errorf("evictionHard[%s] comes to %d MiB, more than half of the overhead of %d MiB that it is taken from: raise template.spec.overhead.memory",
			MemoryAvailable, margin/mebibyte, overhead/mebibyte))
	}
	return problems
}

// Threshold is an amount of a resource that is to stay free: bytes (or, for inodes and
// process numbers, pieces), or a part of the whole. The zero Threshold is no amount.
type Threshold struct {
	text    string
	amount  int64
	percent float64
}

// ParseThreshold reads a positive number or a percentage from 0 to less than 100. An empty
// text is an amount of 0, as is "0%".
func ParseThreshold(text string) (Threshold, error) {
	if percent, ok := strings.CutSuffix(text, "%"); ok {
		p, err := strconv.ParseFloat(percent, 64)
		if err != nil || !(p >= 0 && p < 100) { // NaN, too
			return Threshold{}, fmt.Errorf("%q is not a percentage between 0 and 100", text)
		}
		return Threshold{text: text, percent: p}, nil
	}
	if text == "" {
		return Threshold{}, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 1 {
		return Threshold{}, fmt.Errorf("%q is neither a positive number nor a percentage", text)
	}
	return Threshold{text: text, amount: n}, nil
}

// Of is the amount, a percentage being one of the whole.
func (t Threshold) Of(whole int64) int64 {
	return t.amount + int64(t.percent/100*float64(whole))
}

// String is the text that the threshold was read from.
func (t Threshold) String() string { return t.text }

const mebibyte = 1 << 20

// Bytes turns an amount in MiB, which is how messages and Mesos count memory and disk, into
// bytes.
func Bytes(mib float64) int64 { return int64(math.Round(mib * mebibyte)) }
