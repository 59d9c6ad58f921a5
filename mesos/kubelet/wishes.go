package kubelet

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// What a pool wishes of the kubelet's configuration comes in three kinds: fields that are
// k8sm's own, and refused; fields that both have a say in (eviction thresholds, the CPU
// quota), from which the reservation is computed; and all others, which are the pool's.

// own are the fields that no pool sets, and why.
var own = []struct {
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

// proposals are the fields of our configuration that give way to the pool's.
var proposals = []string{"clusterDNS", "clusterDomain", "logging", "podPidsLimit", "serializeImagePulls"}

const (
	memoryAvailable = "memory.available"
	nodefsAvailable = "nodefs.available"
	never           = "0%" // the kubelet's word for no threshold
)

// wishes are the fields of a pool's configuration that are not passed on as they are.
type wishes struct {
	EvictionHard map[string]string `json:"evictionHard"`
	CPUCFSQuota  *bool             `json:"cpuCFSQuota"`
}

// wishes of a message that was validated.
func (l *Launch) wishes() (w wishes) {
	if len(l.KubeletConfig) > 0 {
		_ = json.Unmarshal(l.KubeletConfig, &w) // CheckConfig has told of errors
	}
	return w
}

// CheckConfig says what is wrong with a pool's wishes for a node of that memory (MiB). They
// are a KubeletConfiguration in JSON, in which amounts of evictionHard are plain numbers or
// percentages. That the fields exist is checked by who knows Kubernetes.
func CheckConfig(config json.RawMessage, memMiB, overheadMemMiB float64) (problems []error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(config, &fields); err != nil || fields == nil {
		return []error{errors.New("it is not a JSON object")}
	}
	for _, group := range own {
		for _, field := range group.fields {
			if _, set := fields[field]; set {
				problems = append(problems, fmt.Errorf("%s is not a pool's to set: %s", field, group.why))
			}
		}
	}
	var w wishes
	if err := json.Unmarshal(config, &w); err != nil {
		return append(problems, fmt.Errorf("reading evictionHard and cpuCFSQuota: %w", err))
	}
	for _, signal := range slices.Sorted(maps.Keys(w.EvictionHard)) {
		if _, err := threshold(w.EvictionHard[signal], 0); err != nil {
			problems = append(problems, fmt.Errorf("evictionHard[%s]: %w", signal, err))
		}
	}
	margin, _ := threshold(w.EvictionHard[memoryAvailable], mebibytes(memMiB))
	if overhead := mebibytes(overheadMemMiB); margin > overhead/2 {
		problems = append(problems, fmt.Errorf("evictionHard[%s] comes to %d MiB, more than half of the overhead of %d MiB that it is taken from: raise template.spec.overhead.memory",
			memoryAvailable, margin/mebibyte, overhead/mebibyte))
	}
	return problems
}

// threshold is an amount of which something is to stay free, a percentage being one of the
// whole. An empty value is 0, as is "0%".
func threshold(value string, whole int64) (int64, error) {
	if percent, ok := strings.CutSuffix(value, "%"); ok {
		p, err := strconv.ParseFloat(percent, 64)
		if err != nil || !(p >= 0 && p < 100) {
			return 0, fmt.Errorf("%q is not a percentage between 0 and 100", value)
		}
		return int64(p / 100 * float64(whole)), nil
	}
	if value == "" {
		return 0, nil
	}
	n, err := strconv.ParseInt(value, 10, 64)
	if err != nil || n < 1 {
		return 0, fmt.Errorf("%q is neither a positive number nor a percentage", value)
	}
	return n, nil
}

// merged is our configuration with the pool's in it: the pool's fields replace what was
// only proposed, and are put beside the rest. Those of which both have a say are ours,
// since they were computed from the pool's.
func merged(ours kubeletConfiguration, config json.RawMessage) (map[string]json.RawMessage, error) {
	data, err := json.Marshal(ours)
	if err != nil {
		return nil, fmt.Errorf("writing the kubelet's configuration: %w", err)
	}
	var out, wanted map[string]json.RawMessage
	if err := json.Unmarshal(data, &out); err != nil {
		return nil, fmt.Errorf("reading the kubelet's configuration: %w", err)
	}
	if len(config) > 0 {
		if err := json.Unmarshal(config, &wanted); err != nil {
			return nil, fmt.Errorf("reading the pool's kubelet configuration: %w", err)
		}
	}
	for field, value := range wanted {
		if _, set := out[field]; !set || slices.Contains(proposals, field) {
			out[field] = value
		}
	}
	return out, nil
}
