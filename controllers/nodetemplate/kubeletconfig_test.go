package nodetemplate

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/k8sm/k8sm/api/v1alpha1"
)

func spec(config string) v1alpha1.NodeTemplateSpec {
	out := v1alpha1.NodeTemplateSpec{
		Resources: v1alpha1.NodeResources{CPU: resource.MustParse("4"), Memory: resource.MustParse("8Gi")},
		Overhead:  v1alpha1.NodeOverhead{CPU: resource.MustParse("100m"), Memory: resource.MustParse("256Mi")},
	}
	if config != "" {
		out.Kubelet.Config = &runtime.RawExtension{Raw: []byte(config)}
	}
	return out
}

func TestKubeletConfig(t *testing.T) {
	tests := map[string]struct{ config, want string }{
		"no configuration":       {"", ""},
		"an empty configuration": {`{}`, `{}`},
		"a whole document":       {`{"apiVersion": "kubelet.config.k8s.io/v1beta1", "kind": "KubeletConfiguration", "maxPods": 30}`, `{"apiVersion": "kubelet.config.k8s.io/v1beta1", "kind": "KubeletConfiguration", "maxPods": 30}`},
		"feature gates":          {`{"featureGates": {"NodeSwap": true}}`, `{"featureGates": {"NodeSwap": true}}`},
		"amounts with units":     {`{"evictionHard": {"memory.available": "100Mi", "nodefs.available": "1.5Gi", "nodefs.inodesFree": "5k"}}`, `{"evictionHard": {"memory.available": "104857600", "nodefs.available": "1610612736", "nodefs.inodesFree": "5000"}}`},
		"percentages":            {`{"evictionHard": {"memory.available": "1%", "imagefs.available": "0%"}}`, `{"evictionHard": {"memory.available": "1%", "imagefs.available": "0%"}}`},
		"a soft threshold":       {`{"evictionSoft": {"memory.available": "1Gi"}, "evictionSoftGracePeriod": {"memory.available": "1m30s"}}`, `{"evictionSoft": {"memory.available": "1Gi"}, "evictionSoftGracePeriod": {"memory.available": "1m30s"}}`},
		"a logging format":       {`{"logging": {"format": "json"}}`, `{"logging": {"format": "json"}}`},
		"other fields":           {`{"serializeImagePulls": false, "maxParallelImagePulls": 4, "imageGCHighThresholdPercent": 80}`, `{"serializeImagePulls": false, "maxParallelImagePulls": 4, "imageGCHighThresholdPercent": 80}`},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := KubeletConfig(spec(tc.config))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(parsed(t, tc.want), parsed(t, string(got))); diff != "" {
				t.Errorf("configuration (-want +got):\n%s", diff)
			}
			if reason, message := Check(spec(tc.config)); reason != "" {
				t.Errorf("%s: %s", reason, message)
			}
		})
	}
}

func parsed(t *testing.T, document string) (out any) {
	t.Helper()
	if document == "" {
		return nil
	}
	if err := json.Unmarshal([]byte(document), &out); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestKubeletConfigRefuses(t *testing.T) {
	tests := map[string]struct {
		config string
		want   []string
	}{
		"a misspelt field":                        {`{"maxPod": 30}`, []string{`template.spec.kubelet.config: unknown field "maxPod".`}},
		"a misspelt field below":                  {`{"memorySwap": {"swapBehaviour": "NoSwap"}}`, []string{`unknown field "memorySwap.swapBehaviour"`}},
		"a field of another case":                 {`{"MaxPods": 30}`, []string{`unknown field "MaxPods"`}},
		"a field twice":                           {`{"maxPods": 30, "maxPods": 31}`, []string{`duplicate field "maxPods"`}},
		"text for a number":                       {`{"maxPods": "many"}`, []string{"cannot unmarshal string into Go struct field KubeletConfiguration.maxPods of type int32"}},
		"text for a feature gate":                 {`{"featureGates": {"NodeSwap": "on"}}`, []string{"featureGates"}},
		"a duration without unit":                 {`{"syncFrequency": "10"}`, []string{"time: missing unit in duration"}},
		"a list":                                  {`[]`, []string{"template.spec.kubelet.config"}},
		"malformed JSON":                          {`{`, []string{"template.spec.kubelet.config"}},
		"another version":                         {`{"apiVersion": "kubelet.config.k8s.io/v1", "kind": "KubeletConfiguration"}`, []string{`apiVersion is "kubelet.config.k8s.io/v1", not kubelet.config.k8s.io/v1beta1`}},
		"another kind":                            {`{"kind": "KubeProxyConfiguration"}`, []string{`kind is "KubeProxyConfiguration", not KubeletConfiguration`}},
		"a field that k8sm sets":                  {`{"cgroupRoot": "/"}`, []string{"cgroupRoot is not a pool's to set: pods live in the Mesos container's cgroup"}},
		"several problems":                        {`{"port": 10250, "maxPod": 1, "staticPodPath": "/etc"}`, []string{`unknown field "maxPod"; port is not a pool's`, "staticPodPath is not"}},
		"an unknown signal":                       {`{"evictionHard": {"memory": "1Gi"}}`, []string{"evictionHard[memory]: there is no such signal; the signals are: memory.available, pid"}},
		"a malformed amount":                      {`{"evictionHard": {"memory.available": "1 GB"}}`, []string{`evictionHard[memory.available]: "1 GB" is neither a positive amount`}},
		"an amount of zero":                       {`{"evictionHard": {"nodefs.available": "0"}}`, []string{"0% means never"}},
		"a percentage of text":                    {`{"evictionHard": {"nodefs.available": "ten%"}}`, []string{`"ten%" is not a percentage`}},
		"a threshold above half of the overhead":  {`{"evictionHard": {"memory.available": "200Mi"}}`, []string{"comes to 200 MiB, more than half of the overhead of 256 MiB"}},
		"a soft threshold without a grace period": {`{"evictionSoft": {"memory.available": "1Gi"}}`, []string{"evictionSoft[memory.available] has no evictionSoftGracePeriod"}},
		"a negative soft threshold and a malformed grace period": {`{"evictionSoft": {"memory.available": "-1"}, "evictionSoftGracePeriod": {"memory.available": "soon"}}`, []string{"evictionSoft[memory.available]", `"soon" is not a duration`}},
		"a configuration that is too long":                       {`{"podCIDR": "` + strings.Repeat("a", maxKubeletConfig) + `"}`, []string{"bytes long, more than 65536"}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if _, err := KubeletConfig(spec(tc.config)); err == nil {
				t.Fatal("it is taken")
			}
			reason, message := Check(spec(tc.config))
			if reason != v1alpha1.ReasonKubeletConfigInvalid || strings.Contains(message, "\n") {
				t.Errorf("%s: %q", reason, message)
			}
			for _, want := range tc.want {
				if !strings.Contains(message, want) {
					t.Errorf("message is %q, want %q in it", message, want)
				}
			}
		})
	}
}

func TestTheMessageOfCheckIsBounded(t *testing.T) {
	var fields []string
	for range 500 {
		fields = append(fields, `"`+strings.Repeat("ä", len(fields)%50+1)+string(rune('a'+len(fields)%26))+`": 1`)
	}
	if _, message := Check(spec("{" + strings.Join(fields, ",") + "}")); len(message) > maxMessage+10 || strings.ContainsRune(message, '\uFFFD') {
		t.Errorf("%d bytes: %s", len(message), message)
	}
}
