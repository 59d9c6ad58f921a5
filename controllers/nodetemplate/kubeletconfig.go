package nodetemplate

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/resource"
	kubeletconfig "k8s.io/kubelet/config/v1beta1"
	kjson "sigs.k8s.io/json"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/mesos/nodeapi"
)

// maxKubeletConfig is the maximum size of a kubelet's configuration, in bytes: it is in every
// MesosNode.
const maxKubeletConfig = 64 << 10

// evictionSignals are the signals by which a kubelet evicts pods.
var evictionSignals = []string{
	"memory.available", "pid.available", "nodefs.available", "nodefs.inodesFree",
	"imagefs.available", "imagefs.inodesFree", "containerfs.available", "containerfs.inodesFree",
}

// KubeletConfig returns what the template sets of the kubelet's configuration, in the form of
// the launch message; nil if it sets nothing. The error names everything that is wrong.
func KubeletConfig(spec v1alpha1.NodeTemplateSpec) (json.RawMessage, error) {
	if spec.Kubelet.Config == nil {
		return nil, nil
	}
	raw := spec.Kubelet.Config.Raw
	if len(raw) > maxKubeletConfig {
		return nil, problemsIn("template.spec.kubelet.config", []error{fmt.Errorf("it is %d bytes long, more than %d", len(raw), maxKubeletConfig)})
	}
	config, problems := decodeKubeletConfig(raw)
	fields := map[string]json.RawMessage{}
	if err := json.Unmarshal(raw, &fields); err == nil && config != nil {
		problems = append(problems, checkSoftThresholds(config)...)
		hard, bad := normalizeThresholds("evictionHard", config.EvictionHard)
		problems = append(problems, bad...)
		if len(hard) > 0 {
			fields["evictionHard"], _ = json.Marshal(hard) // A map of strings can always be marshalled.
		}
	}
	normal, err := json.Marshal(fields)
	if err != nil {
		return nil, problemsIn("template.spec.kubelet.config", append(problems, err))
	}
	problems = append(problems, nodeapi.CheckConfig(normal, inMiB(spec.Resources.Memory), inMiB(spec.Overhead.Memory))...)
	return normal, problemsIn("template.spec.kubelet.config", problems)
}

// decodeKubeletConfig decodes the configuration strictly: unknown and repeated fields are
// problems. The result is nil if it cannot be decoded at all.
func decodeKubeletConfig(raw []byte) (*kubeletconfig.KubeletConfiguration, []error) {
	config := &kubeletconfig.KubeletConfiguration{}
	problems, err := kjson.UnmarshalStrict(raw, config)
	if err != nil {
		return nil, append(problems, err)
	}
	if v := config.APIVersion; v != "" && v != kubeletconfig.SchemeGroupVersion.String() {
		problems = append(problems, fmt.Errorf("apiVersion is %q, not %s", v, kubeletconfig.SchemeGroupVersion))
	}
	if config.Kind != "" && config.Kind != "KubeletConfiguration" {
		problems = append(problems, fmt.Errorf("kind is %q, not KubeletConfiguration", config.Kind))
	}
	return config, problems
}

// normalizeThresholds returns thresholds as plain numbers and percentages, which the executor
// can compute with, and the problems of the field.
func normalizeThresholds(field string, thresholds map[string]string) (plain map[string]string, problems []error) {
	plain = map[string]string{}
	for _, signal := range slices.Sorted(maps.Keys(thresholds)) {
		value := thresholds[signal]
		if !slices.Contains(evictionSignals, signal) {
			problems = append(problems, fmt.Errorf("%s[%s]: there is no such signal; the signals are: %s", field, signal, strings.Join(evictionSignals, ", ")))
			continue
		}
		if strings.HasSuffix(value, "%") {
			plain[signal] = value
			continue
		}
		q, err := resource.ParseQuantity(value)
		if err != nil || q.Sign() <= 0 {
			problems = append(problems, fmt.Errorf("%s[%s]: %q is neither a positive amount, as 200Mi, nor a percentage; 0%% means never", field, signal, value))
			continue
		}
		plain[signal] = strconv.FormatInt(q.Value(), 10)
	}
	return plain, problems
}

// checkSoftThresholds checks the soft thresholds, which go to the kubelet unchanged.
func checkSoftThresholds(config *kubeletconfig.KubeletConfiguration) []error {
	_, problems := normalizeThresholds("evictionSoft", config.EvictionSoft)
	_, bad := normalizeThresholds("evictionMinimumReclaim", config.EvictionMinimumReclaim)
	problems = append(problems, bad...)
	for _, signal := range slices.Sorted(maps.Keys(config.EvictionSoft)) {
		if _, set := config.EvictionSoftGracePeriod[signal]; !set {
			problems = append(problems, fmt.Errorf("evictionSoft[%s] has no evictionSoftGracePeriod", signal))
		}
	}
	for _, signal := range slices.Sorted(maps.Keys(config.EvictionSoftGracePeriod)) {
		if d, err := time.ParseDuration(config.EvictionSoftGracePeriod[signal]); err != nil || d < 0 {
			problems = append(problems, fmt.Errorf("evictionSoftGracePeriod[%s]: %q is not a duration, as 1m30s", signal, config.EvictionSoftGracePeriod[signal]))
		}
	}
	return problems
}

// inMiB returns the amount in the unit of Mesos, rounded up.
func inMiB(q resource.Quantity) float64 { return math.Ceil(float64(q.Value()) / (1 << 20)) }
