package nodetemplate

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/k8sm/k8sm/api/v1alpha1"
)

func TestParseRuntime(t *testing.T) {
	good := "artifacts: [{name: executor, uri: 'file:///opt/executor', sha256: " + digest1 + "}]"
	runtime, err := ParseRuntime([]byte(good))
	if err != nil {
		t.Fatal(err)
	}
	want := Runtime{ContainerRuntime: "containerd", Artifacts: []v1alpha1.Artifact{
		{Name: "executor", Type: "Binary", URI: "file:///opt/executor", SHA256: digest1}}}
	if diff := cmp.Diff(want, runtime); diff != "" {
		t.Errorf("runtime (-want +got):\n%s", diff)
	}
	for text, want := range map[string]string{
		"containerRuntime: docker":                              `containerRuntime is "docker"`,
		"cni: Calico":                                           `cni is "Calico"`,
		"runtimeSocket: containerd.sock":                        `runtimeSocket is "containerd.sock"`,
		"{containerRuntime: none, runtimeSocket: /c.sock}":      "or containerRuntime is not",
		"mirror: mirror.internal":                               `mirror "mirror.internal" is not an http, https or file URL`,
		"mirror: https://m/?x=y":                                "without a query",
		"cacheSize: 10":                                         "cacheSize 10 is less than 1Mi",
		"cacheSize: many":                                       "parsing the node runtime",
		"artefacts: []":                                         `unknown field "artefacts"`,
		"artifacts: [{name: a, uri: 'file:///a', sha256: abc}]": "sha256 of 64",
		"artifacts: [{name: a, uri: \"file:///it's\", sha256: " + digest1 + "}]":                      "which Mesos does not fetch",
		"artifacts: [{name: a, uri: 'file:///a\\b', sha256: " + digest1 + "}]":                        "which Mesos does not fetch",
		"artifacts: [{uri: 'file:///a', sha256: " + digest1 + "}]":                                    `the name "" is empty`,
		"artifacts: [{name: a, type: Zip, uri: 'file:///a', sha256: " + digest1 + "}]":                `the type "Zip"`,
		good + "\ncontainerRuntime: [":                                                                "parsing the node runtime",
		strings.Replace(good, "}]", "}, {name: executor, uri: 'file:///b', sha256: "+digest2+"}]", 1): "occurs twice",
	} {
		if _, err := ParseRuntime([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s\ngot %v, want %q", text, err, want)
		}
	}
}

func TestAnEmptyRuntimeFileIsARuntimeOfDefaults(t *testing.T) {
	for name, text := range map[string]string{"nothing": "", "a comment": "# nothing yet\n", "an empty object": "{}"} {
		got, err := ParseRuntime([]byte(text))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if diff := cmp.Diff(Runtime{ContainerRuntime: "containerd"}, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestParseRuntimeNamesEverythingThatIsWrong(t *testing.T) {
	_, err := ParseRuntime([]byte("{containerRuntime: docker, cni: Calico, mirror: m, cacheSize: 1, artifacts: [{name: a}, {name: a, type: Zip}]}"))
	if err == nil {
		t.Fatal("it was accepted")
	}
	for _, want := range []string{
		`checking the node runtime: containerRuntime is "docker"`, `cni is "Calico"`, `mirror "m"`, "cacheSize 1 is less",
		`artifact "a": it needs a uri`, `artifacts[1]: the name "a" is empty or occurs twice`, `the type "Zip" is unknown`,
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in: %v", want, err)
		}
	}
}
