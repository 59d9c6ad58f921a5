package scheduling

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// byName returns the names of the nodes in these slots, sorted.
func byName(c *Cluster, slots []int) []string {
	var out []string
	for _, slot := range slots {
		out = append(out, c.nodes[slot].Node().Name)
	}
	slices.Sort(out)
	return out
}

func TestTheIndexOfALabelFollowsTheNodes(t *testing.T) {
	c := emptyCluster(t)
	c.AddNode(testNode("a1", "zone", "a"))
	c.AddNode(testNode("none"))
	c.indexLabel("zone")
	c.indexLabel("zone") // again, which changes nothing
	c.AddNode(testNode("a2", "zone", "a"))
	c.AddNode(testNode("b1", "zone", "b"))
	check := func(step string, want map[string][]string) {
		t.Helper()
		got := map[string][]string{}
		for value, slots := range c.topology["zone"] {
			got[value] = byName(c, slots)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", step, diff)
		}
	}
	check("at first", map[string][]string{"a": {"a1", "a2"}, "b": {"b1"}})
	c.RemoveNode("b1")
	check("without b1", map[string][]string{"a": {"a1", "a2"}})
	c.AddNode(testNode("a1", "zone", "c"))
	check("with a1 in another zone", map[string][]string{"a": {"a2"}, "c": {"a1"}})
	mark := c.Checkpoint()
	c.RemoveNode("a2")
	c.AddNode(testNode("b2", "zone", "b"))
	check("in a trial", map[string][]string{"b": {"b2"}, "c": {"a1"}})
	c.Revert(mark)
	check("after the trial", map[string][]string{"a": {"a2"}, "c": {"a1"}})
}

func TestNodesInTheSameDomains(t *testing.T) {
	c := emptyCluster(t)
	for _, node := range [][]string{{"a1", "a", "r1"}, {"a2", "a", "r1"}, {"a3", "a", "r2"}, {"b1", "b", "r1"}} {
		c.AddNode(testNode(node[0], "zone", node[1], "rack", node[2]))
	}
	c.AddNode(testNode("unracked", "zone", "a"))
	c.indexLabel("zone")
	c.indexLabel("rack")
	tests := map[string]struct {
		node   string
		labels []string
		want   []string
	}{
		"by zone":                  {"a1", []string{"zone"}, []string{"a1", "a2", "a3", "unracked"}},
		"by zone and rack":         {"a1", []string{"zone", "rack"}, []string{"a1", "a2"}},
		"in any order":             {"a1", []string{"rack", "zone"}, []string{"a1", "a2"}},
		"alone":                    {"b1", []string{"zone", "rack"}, []string{"b1"}},
		"one that lacks the label": {"unracked", []string{"zone", "rack"}, nil},
		"by nothing":               {"a1", nil, nil},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, byName(c, c.slotsInSameDomains(c.slots[test.node], test.labels))); diff != "" {
				t.Errorf("nodes (-want +got):\n%s", diff)
			}
		})
	}
}

func TestLabelsAreTheSameIfBothLackThem(t *testing.T) {
	a, b := testNode("a", "zone", "z"), testNode("b", "zone", "z", "rack", "r")
	for _, test := range []struct {
		labels []string
		want   bool
	}{{nil, true}, {[]string{"zone"}, true}, {[]string{"zone", "rack"}, false}, {[]string{"other"}, true}} {
		if got := sameLabels(a, b, test.labels); got != test.want {
			t.Errorf("the same in %v: %t, want %t", test.labels, got, test.want)
		}
	}
}
