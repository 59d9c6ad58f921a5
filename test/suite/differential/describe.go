package differential

import (
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"
)

func (s *Scenario) name() string { return s.Namespaces[0].Labels[seedKey] }

func (t *trial) disagreement(what string) error {
	return &Disagreement{What: what, Case: t.describeCase()}
}

func (t *trial) differs(verdicts map[string]string, want string, after *corev1.Pod) error {
	what := fmt.Sprintf("pod %s: by the simulation %s; the scheduler %s", after.Name, nodeOrNone("it goes to ", want), nodeOrNone("bound it to ", after.Spec.NodeName))
	if !bound(after) {
		what += ": " + scheduledCondition(after).Message
	}
	if why := verdicts[after.Spec.NodeName]; why != "" {
		what += ", about which the simulation reports: " + why
	}
	return t.disagreement(what)
}

func nodeOrNone(verb, node string) string {
	if node == "" {
		return "it fits nowhere"
	}
	return verb + node
}

// describeCase returns everything on which the placement of the pod depends, as YAML.
func (t *trial) describeCase() string {
	var b strings.Builder
	section := func(title string, objects ...any) {
		fmt.Fprintf(&b, "\n# %s\n", title)
		for _, object := range objects {
			text, err := yaml.Marshal(object)
			if err != nil {
				text = []byte(err.Error())
			}
			fmt.Fprintf(&b, "---\n%s", text)
		}
	}
	section("nodes", each(t.scenario.Nodes)...)
	section("classes, volumes, claims, what nodes attach", append(append(append(each(t.scenario.Classes), each(t.scenario.Volumes)...), each(t.scenario.Claims)...), each(t.scenario.CSINodes)...)...)
	section("existing pods", each(t.scenario.Existing)...)
	section("pods that arrived", each(t.arrived)...)
	fmt.Fprintf(&b, "\n# and their nodes\n%s\n", strings.Join(t.placed, "\n"))
	return b.String()
}

func each[T any](objects []T) []any {
	all := make([]any, len(objects))
	for i, object := range objects {
		all[i] = object
	}
	return all
}
