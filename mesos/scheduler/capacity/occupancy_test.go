package capacity_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/k8sm/k8sm/mesos/scheduler/capacity"
)

func TestOccupancyHoldsNoZeros(t *testing.T) {
	t.Parallel()
	o := capacity.NewOccupancy()
	o.Add("general", "S1", 1)
	o.Add("general", "S1", 1)
	o.Add("general", "S2", 1)
	o.Add("gpu", "S1", 1)
	o.Add("general", "", 1) // the agent is not known
	if diff := cmp.Diff(map[string]map[string]int{"general": {"S1": 2, "S2": 1}, "gpu": {"S1": 1}}, o.Counts()); diff != "" {
		t.Errorf("the counts differ (-want +got):\n%s", diff)
	}
	o.Add("general", "S1", -1)
	o.Add("general", "S2", -1)
	o.Add("gpu", "S1", -1)
	o.Add("gpu", "S1", -1) // once too often
	if diff := cmp.Diff(map[string]map[string]int{"general": {"S1": 1}}, o.Counts()); diff != "" {
		t.Errorf("the counts differ (-want +got):\n%s", diff)
	}
}

func TestCloneOfOccupancyDoesNotChange(t *testing.T) {
	t.Parallel()
	o := capacity.NewOccupancy()
	o.Add("general", "S1", 1)
	clone := o.Clone()
	o.Add("general", "S1", 1)
	o.Add("gpu", "S1", 1)
	if diff := cmp.Diff(map[string]map[string]int{"general": {"S1": 1}}, clone); diff != "" {
		t.Errorf("the clone differs (-want +got):\n%s", diff)
	}
}
