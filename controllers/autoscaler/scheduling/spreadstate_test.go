package scheduling

import (
	"context"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/labels"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins/names"
)

// The states below are what other versions of PodTopologySpread might keep.
type (
	constraint struct{ Selector labels.Selector }
	goodState  struct {
		Constraints       []constraint
		CriticalPaths     []*smallestDomains
		TpValueToMatchNum []map[string]int
	}
	unexportedState struct {
		Constraints       []constraint
		CriticalPaths     []*smallestDomains
		tpValueToMatchNum []map[string]int
	}
	renamedState struct {
		Constraints  []constraint
		MinimumPaths []*smallestDomains

		TpValueToMatchNum []map[string]int
	}
	widerCountsState struct {
		Constraints       []constraint
		CriticalPaths     []*smallestDomains
		TpValueToMatchNum []map[string]int64
	}
	otherPathsState struct {
		Constraints       []constraint
		CriticalPaths     []*[2]int
		TpValueToMatchNum []map[string]int
	}
	pointerConstraintsState struct {
		Constraints       []*constraint
		CriticalPaths     []*smallestDomains
		TpValueToMatchNum []map[string]int
	}
	unselectiveState struct {
		Constraints       []struct{ MaxSkew int }
		CriticalPaths     []*smallestDomains
		TpValueToMatchNum []map[string]int
	}
)

func (s *goodState) Clone() fwk.StateData               { return s }
func (s *unexportedState) Clone() fwk.StateData         { return s }
func (s *renamedState) Clone() fwk.StateData            { return s }
func (s *widerCountsState) Clone() fwk.StateData        { return s }
func (s *otherPathsState) Clone() fwk.StateData         { return s }
func (s *pointerConstraintsState) Clone() fwk.StateData { return s }
func (s *unselectiveState) Clone() fwk.StateData        { return s }

type notAStruct int

func (n notAStruct) Clone() fwk.StateData { return n }

func TestAStateOfAnotherFormIsAnError(t *testing.T) {
	one, path, counts := []constraint{{labels.Everything()}}, []*smallestDomains{{}}, []map[string]int{{}}
	tests := map[string]struct {
		state fwk.StateData
		want  string // part of the error; empty for none
	}{
		"the form that this package knows": {&goodState{one, path, counts}, ""},
		"no state":                         {nil, "reading its state"},
		"a value that is no struct":        {notAStruct(1), "its state is of type scheduling.notAStruct"},
		"a nil pointer":                    {(*goodState)(nil), "its state is of type *scheduling.goodState"},
		"an unexported field":              {&unexportedState{one, path, counts}, "no TpValueToMatchNum"},
		"a renamed field":                  {&renamedState{one, path, counts}, "no CriticalPaths of kind slice"},
		"counts of another type":           {&widerCountsState{one, path, []map[string]int64{{}}}, "TpValueToMatchNum is of type []map[string]int64"},
		"minimums of another type":         {&otherPathsState{one, []*[2]int{{}}, counts}, "CriticalPaths are of type []*[2]int"},
		"constraints that are pointers":    {&pointerConstraintsState{[]*constraint{{}}, path, counts}, "Constraints are of type []*scheduling.constraint"},
		"constraints without a selector":   {&unselectiveState{make([]struct{ MaxSkew int }, 1), path, counts}, "Constraints have no Selector"},
		"a selector that is nil":           {&goodState{make([]constraint, 1), path, counts}, "Constraints have no Selector"},
		"fewer minimums than counts":       {&goodState{one, nil, counts}, "CriticalPaths has 0 elements, want 1"},
		"fewer constraints than counts":    {&goodState{nil, path, counts}, "Constraints has 0 elements, want 1"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			state := framework.NewCycleState()
			if test.state != nil {
				state.Write("PreFilter"+names.PodTopologySpread, test.state)
			}
			_, err := readSpreadState(state)
			switch {
			case test.want == "" && err != nil:
				t.Errorf("error %v, want none", err)
			case test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)):
				t.Errorf("error %v, want %q in it", err, test.want)
			}
		})
	}
}

// fakePreFilter writes a state as PodTopologySpread would, or returns another status.
type fakePreFilter struct {
	fwk.PreFilterPlugin
	state  fwk.StateData
	status *fwk.Status
}

func (f fakePreFilter) PreFilter(_ context.Context, state fwk.CycleState, _ *corev1.Pod, _ []fwk.NodeInfo) (*fwk.PreFilterResult, *fwk.Status) {
	if f.state != nil {
		state.Write("PreFilter"+names.PodTopologySpread, f.state)
	}
	return nil, f.status
}

func TestProbeDetectsAnIncompatibleScheduler(t *testing.T) {
	good := &goodState{[]constraint{{labels.Everything()}}, []*smallestDomains{{}}, []map[string]int{{}}}
	tests := map[string]struct {
		plugins []*plugin
		want    string
	}{
		"the plugin is not in the profile":     {nil, ""},
		"another plugin is not probed":         {[]*plugin{{name: names.NodePorts}}, ""},
		"a state that can be read":             {[]*plugin{{name: names.PodTopologySpread, preFilter: fakePreFilter{state: good}}}, ""},
		"no PreFilter":                         {[]*plugin{{name: names.PodTopologySpread}}, "probing PodTopologySpread: it has no PreFilter"},
		"PreFilter fails":                      {[]*plugin{{name: names.PodTopologySpread, preFilter: fakePreFilter{status: fwk.NewStatus(fwk.Error, "broken")}}}, "probing PodTopologySpread: broken"},
		"a state that cannot be read":          {[]*plugin{{name: names.PodTopologySpread, preFilter: fakePreFilter{state: notAStruct(1)}}}, "probing PodTopologySpread: its state is of type"},
		"a state that ignores the constraints": {[]*plugin{{name: names.PodTopologySpread, preFilter: fakePreFilter{state: &goodState{}}}}, "its state has 0 constraints, want 1"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			err := probeSpreadState(test.plugins)
			switch {
			case test.want == "" && err != nil:
				t.Errorf("error %v, want none", err)
			case test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)):
				t.Errorf("error %v, want %q in it", err, test.want)
			}
		})
	}
}

// If a state cannot be read although the probe could, pods are rejected with the reason and
// nothing panics.
func TestAPodWhoseStateCannotBeReadIsRejectedWithTheReason(t *testing.T) {
	c, err := New()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range c.plugins {
		if p.name == names.PodTopologySpread {
			p.preFilter = fakePreFilter{state: notAStruct(1)}
		}
	}
	node := &corev1.Node{}
	node.Name, node.Labels = "n1", map[string]string{corev1.LabelHostname: "n1"}
	node.Status.Allocatable = corev1.ResourceList{corev1.ResourcePods: resource.MustParse("10")}
	c.AddNode(node)
	pod := &corev1.Pod{}
	pod.Name, pod.UID = "web", "web"
	pod.Spec.TopologySpreadConstraints = []corev1.TopologySpreadConstraint{{MaxSkew: 1, TopologyKey: corev1.LabelHostname, WhenUnsatisfiable: corev1.DoNotSchedule}}
	for range 2 {
		if fits, why := c.Fits(pod, "n1"); fits || !strings.Contains(why, "PodTopologySpread: its state is of type scheduling.notAStruct") {
			t.Errorf("it fits: %t, %q", fits, why)
		}
		pod.UID = "web-2"
	}
}
