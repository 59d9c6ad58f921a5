package nodemodel

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/k8sm/k8sm/api/v1alpha1"
)

func TestLabelValuesAreSanitized(t *testing.T) {
	for in, want := range map[string]string{
		"agent-3.example":        "agent-3.example",
		"C0FFEE-S3":              "C0FFEE-S3",
		"fe80::1":                "fe80--1",
		"-edge-":                 "edge",
		"Zürich/1":               "Z-rich-1",
		strings.Repeat("a", 100): strings.Repeat("a", 63),
		"":                       "",
	} {
		if got := labelValue(in); got != want {
			t.Errorf("labelValue(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestLabelsOfANode(t *testing.T) {
	node := newNode()
	node.Spec.Template.Metadata.Labels = map[string]string{"team": "a", v1alpha1.LabelPool: "forged"}
	node.Status.Task = &v1alpha1.MesosTask{AgentID: "S3", AgentHostname: "fe80::1", Zone: "eu-1"}
	want := map[string]string{
		"team":                        "a",
		v1alpha1.LabelPool:            "general", // whatever the template says
		v1alpha1.LabelFramework:       "default",
		v1alpha1.LabelAgentID:         "S3",
		v1alpha1.LabelAgentHostname:   "fe80--1",
		"topology.kubernetes.io/zone": "eu-1",
	}
	got := Labels(node)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("labels (-want +got):\n%s", diff)
	}
	got["team"] = "b"
	if node.Spec.Template.Metadata.Labels["team"] != "a" {
		t.Error("the template was changed with the labels")
	}
}

func TestGroupOfANodeIsItsPoolOrItself(t *testing.T) {
	node := newNode()
	if got := Group(node); got != "general" {
		t.Errorf("group is %q", got)
	}
	node.Labels = nil
	if got := Group(node); got != node.Name {
		t.Errorf("without a pool the group is %q", got)
	}
}

func TestRoleOfADemand(t *testing.T) {
	node := newNode()
	if got := Demand(node, []string{"first", "second"}, noon).Role; got != "first" {
		t.Errorf("role is %q, want the framework's first", got)
	}
	node.Spec.Placement.Role = "second"
	if got := Demand(node, []string{"first", "second"}, noon).Role; got != "second" {
		t.Errorf("role is %q, want that of the placement", got)
	}
	if got := Demand(newNode(), nil, noon).Role; got != "" {
		t.Errorf("role is %q although the framework has none", got)
	}
}
