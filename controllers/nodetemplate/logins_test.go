package nodetemplate

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/k8sm/k8sm/api/v1alpha1"
)

func TestLoginsInURIsAreFound(t *testing.T) {
	artifacts := []v1alpha1.Artifact{
		{Name: "password", URI: "https://me:secret@files.example/a"}, {Name: "token", URI: "https://t0ken@files.example/a"},
		{Name: "none", URI: "https://files.example/me:secret@a"}, {Name: "file", URI: "file:///opt/me@a"}, {Name: "malformed", URI: "https://[::1"},
	}
	if diff := cmp.Diff([]string{"password", "token"}, LoginsIn(v1alpha1.NodeRuntime{Artifacts: artifacts})); diff != "" {
		t.Errorf("of a template (-want +got):\n%s", diff)
	}
	r := Runtime{Mirror: "https://me:secret@mirror.example", Artifacts: artifacts[1:], Versions: []RuntimeVersion{{Name: "v1.37.2", Artifacts: artifacts[:1]}}}
	if diff := cmp.Diff([]string{"mirror", `artifact "token"`, `artifact "password" of version v1.37.2`}, r.Logins()); diff != "" {
		t.Errorf("of the operator's file (-want +got):\n%s", diff)
	}
	if got := nodeDefaults().Runtime.Logins(); got != nil {
		t.Errorf("of a file without any: %v", got)
	}
}
