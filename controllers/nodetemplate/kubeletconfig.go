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

// maxConfig bounds a kubelet's configuration, in bytes: it is in every MesosNode.
const maxConfig = 64 << 10

// signals are what a kubelet can evict by.
var signals = []string{
	"memory.available", "pid.available", "nodefs.available", "nodefs.inodesFree",
	"imagefs.available", "imagefs.inodesFree", "containerfs.available", "containerfs.inodesFree",
}

// KubeletConfig is what the template wishes of the kubelet's configuration, as the launch
// message takes it; nil if it wishes nothing. The error names all that is wrong.
func KubeletConfig(spec v1alpha1.NodeTemplateSpec) (json.RawMessage, error) {
	if spec.Kubelet.Config == nil {
		return nil, nil
	}
	raw := spec.Kubelet.Config.Raw
	if len(raw) > maxConfig {
		return nil, in("template.spec.kubelet.config", []error{fmt.Errorf("it is %d bytes long, more than %d", len(raw), maxConfig)})
	}
	config, problems := decode(raw)
	fields := map[string]json.RawMessage{}
	if err := json.Unmarshal(raw, &fields); err == nil && config != nil {
		problems = append(problems, checkSoft(config)...)
		hard, bad := amounts("evictionHard", config.EvictionHard)
		problems = append(problems, bad...)
		if len(hard) > 0 {
			fields["evictionHard"], _ = json.Marshal(hard) // strings can always be marshalled
		}
	}
	normal, err := json.Marshal(fields)
	if err != nil {
		return nil, in("template.spec.kubelet.config", append(problems, err))
	}
	problems = append(problems, nodeapi.CheckConfig(normal, mib(spec.Resources.Memory), mib(spec.Overhead.Memory))...)
	return normal, in("template.spec.kubelet.config", problems)
}

// decode reads the configuration as strictly as can be. It is nil if it cannot be read.
func decode(raw []byte) (*kubeletconfig.KubeletConfiguration, []error) {
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

// amounts are thresholds in plain numbers and percentages, and what is wrong with them.
func amounts(field string, thresholds map[string]string) (plain map[string]string, problems []error) {
	plain = map[string]string{}
	for _, signal := range slices.Sorted(maps.Keys(thresholds)) {
		value := thresholds[signal]
		if !slices.Contains(signals, signal) {
			problems = append(problems, fmt.Errorf("%s[%s]: there is no such signal; those that there are: %s", field, signal, strings.Join(signals, ", ")))
			continue
		}
		if strings.HasSuffix(value, "%") {
			plain[signal] = value
			continue
		}
		q, err := resource.ParseQuantity(value)
		if err != nil || q.Sign() <= 0 {
			problems = append(problems, fmt.Errorf("%s[%s]: %q is neither a positive amount, as 200Mi, nor a percentage; 0%% is for never", field, signal, value))
			continue
		}
		plain[signal] = strconv.FormatInt(q.Value(), 10)
	}
	return plain, problems
}

// checkSoft says what is wrong with the soft thresholds, which go to the kubelet as they are.
func checkSoft(config *kubeletconfig.KubeletConfiguration) []error {
	_, problems := amounts("evictionSoft", config.EvictionSoft)
	_, bad := amounts("evictionMinimumReclaim", config.EvictionMinimumReclaim)
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

// mib is the amount as Mesos counts it.
func mib(q resource.Quantity) float64 { return math.Ceil(float64(q.Value()) / (1 << 20)) }
