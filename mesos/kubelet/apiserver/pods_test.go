package apiserver

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestCriticalPodsAreKnown(t *testing.T) {
	got, err := parseCritical(strings.NewReader(`{"items": [
		{"metadata": {"uid": "web"}, "spec": {"priority": 0}},
		{"metadata": {"uid": "important"}, "spec": {"priority": 1000000000}},
		{"metadata": {"uid": "network"}, "spec": {"priority": 2000001000}},
		{"metadata": {"uid": "image", "annotations": {"kubernetes.io/config.hash": "static"}}, "spec": {"priority": 2000001000}},
		{"metadata": {"uid": "none"}, "spec": {}}]}`))
	if diff := cmp.Diff(map[string]bool{"network": true, "image": true, "static": true}, got); diff != "" || err != nil {
		t.Errorf("error %v, critical (-want +got):\n%s", err, diff)
	}
}
