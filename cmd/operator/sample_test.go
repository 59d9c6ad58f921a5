package main

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/controllers/nodetemplate"
)

// The file that is shipped is valid, and so is its example once the comments are removed and
// digests are filled in.
func TestShippedNodeRuntimeFileIsValid(t *testing.T) {
	manifest, err := os.ReadFile("../../config/manager/node_runtime.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var object struct{ Data map[string]string }
	if err := yaml.Unmarshal(manifest, &object); err != nil {
		t.Fatal(err)
	}
	shipped := object.Data["node-runtime.yaml"]
	if _, err := nodetemplate.ParseRuntime([]byte(shipped)); err != nil {
		t.Error(err)
	}
	example := strings.ReplaceAll(shipped, "versions: []\n", "versions:\n")
	example = regexp.MustCompile(`(?m)^ *# (.*[^,]:( \S+)?|.*\})$`).ReplaceAllString(example, "$1")
	example = strings.ReplaceAll(example, "…", digest)
	runtime, err := nodetemplate.ParseRuntime([]byte(example))
	if err != nil {
		t.Fatalf("%v\n%s", err, example)
	}
	if resolved, err := runtime.Resolve(v1alpha1.NodeRuntime{}); err != nil || resolved.Version != "v1.37.2" || len(resolved.Missing()) > 0 {
		t.Errorf("got %+v, %v", resolved, err)
	}
}

func TestExampleInTheDocumentationIsValid(t *testing.T) {
	page, err := os.ReadFile("../../docs/install.md")
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, block := range regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(string(page), -1) {
		if !strings.Contains(block[1], "\nversions:") {
			continue
		}
		found++
		if _, err := nodetemplate.ParseRuntime([]byte(strings.ReplaceAll(block[1], "…", digest))); err != nil {
			t.Errorf("%v\n%s", err, block[1])
		}
	}
	if found != 1 {
		t.Errorf("found %d examples of a catalogue", found)
	}
}
