package nodetemplate

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/k8sm/k8sm/api/v1alpha1"
)

// manifest of a pod with that name, and more in its spec.
func manifest(name, more string) string {
	return `{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "` + name + `"}, "spec": {"containers": [
		{"name": "main", "image": "example/agent:1", "resources": {"requests": {"cpu": "1", "memory": "1Gi"}}}]` + more + `}}`
}

func withPods(manifests ...string) v1alpha1.NodeTemplateSpec {
	out := spec("")
	for _, m := range manifests {
		out.Kubelet.StaticPods = append(out.Kubelet.StaticPods, runtime.RawExtension{Raw: []byte(m)})
	}
	return out
}

func TestStaticPods(t *testing.T) {
	tests := map[string][]string{
		"no pod":   nil,
		"two pods": {manifest("one", ""), manifest("two", `, "hostNetwork": true, "priorityClassName": "system-node-critical"`)},
		"two pods with the same name in two namespaces": {
			manifest("one", ""), strings.Replace(manifest("one", ""), `"name": "one"`, `"name": "one", "namespace": "kube-system"`, 1)},
		"a pod with a hostPath":                     {manifest("one", `, "volumes": [{"name": "etc", "hostPath": {"path": "/etc"}}]`)},
		"pods that request all resources of a node": {manifest("one", ""), manifest("two", ""), manifest("three", "")},
	}
	for name, manifests := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := StaticPods(withPods(manifests...))
			if err != nil {
				t.Fatal(err)
			}
			var given []string
			for _, m := range got {
				given = append(given, string(m))
			}
			if diff := cmp.Diff(manifests, given); diff != "" {
				t.Errorf("manifests (-want +got):\n%s", diff)
			}
			if reason, message := Check(withPods(manifests...)); reason != "" {
				t.Errorf("%s: %s", reason, message)
			}
		})
	}
}

func TestStaticPodsRefuses(t *testing.T) {
	tests := map[string]struct {
		manifests []string
		want      string
	}{
		"a misspelt field":                       {[]string{manifest("one", `, "hostNetworks": true`)}, `template.spec.kubelet.staticPods: [0]: unknown field "spec.hostNetworks"`},
		"an invalid second pod":                  {[]string{manifest("one", ""), manifest("two", `, "dnsPolicy": "None!"`)}, `[1]: spec.dnsPolicy: Unsupported value: "None!"`},
		"another kind":                           {[]string{`{"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": {"name": "one"}}`}, `it is a DaemonSet of "apps/v1", not a Pod of "v1"`},
		"a string":                               {[]string{`"pod"`}, "[0]: json: cannot unmarshal string"},
		"no container":                           {[]string{`{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "one"}, "spec": {}}`}, "spec.containers: Required value"},
		"no name":                                {[]string{manifest("", "")}, "metadata.name: Required value"},
		"a bad name":                             {[]string{manifest("One", "")}, "metadata.name: Invalid value"},
		"a name that is too long":                {[]string{manifest(strings.Repeat("a", 190), "")}, "longer than 189 characters"},
		"two pods with the same name":            {[]string{manifest("one", ""), manifest("one", "")}, "[1]: default/one occurs twice"},
		"a nodeName":                             {[]string{manifest("one", `, "nodeName": "other"`)}, "spec.nodeName must not be set: the kubelet sets it"},
		"a secret":                               {[]string{manifest("one", `, "volumes": [{"name": "s", "secret": {"secretName": "s"}}]`)}, "it refers to secrets, which a static pod may not"},
		"a service account":                      {[]string{manifest("one", `, "serviceAccountName": "robot"`)}, "it refers to serviceaccounts"},
		"an ephemeral container":                 {[]string{manifest("one", `, "ephemeralContainers": [{"name": "debug", "image": "example/debug"}]`)}, "spec.ephemeralContainers: Forbidden"},
		"pods that request more than a node has": {[]string{manifest("one", ""), manifest("two", ""), manifest("three", ""), manifest("four", "")}, "together they request 4 of cpu, and a node has 3900m for pods"},
		"pods that are too long":                 {[]string{manifest("one", `, "hostname": "`+strings.Repeat("a", maxStaticPods)+`"`)}, "bytes long, more than 262144"},
		"an object instead of a list":            {[]string{manifest("one", `, "tolerations": {}`)}, "tolerations"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if _, err := StaticPods(withPods(tc.manifests...)); err == nil {
				t.Fatal("it is taken")
			}
			reason, message := Check(withPods(tc.manifests...))
			if reason != v1alpha1.ReasonStaticPodsInvalid || !strings.Contains(message, tc.want) || strings.Contains(message, "\n") {
				t.Errorf("%s: %q, want %q in it", reason, message, tc.want)
			}
		})
	}
}
