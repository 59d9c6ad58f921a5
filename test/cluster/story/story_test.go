package story

import (
	"testing"

	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/k8sm/k8sm/test/cluster/playground"
)

func TestFakeRuntimeLeavesOutWhatNeedsContainers(t *testing.T) {
	real := New(&playground.Playground{Options: playground.Options{Runtime: playground.RuntimeContainerd}})
	fake := New(&playground.Playground{Options: playground.Options{Runtime: playground.RuntimeFake}})
	for _, step := range fake.Steps() {
		if step.Containers {
			t.Errorf("%q cannot be done with a fake runtime", step.Name)
		}
	}
	if len(real.SkippedSteps()) != 0 || len(fake.SkippedSteps()) == 0 {
		t.Errorf("left out with containers: %v, without: %v", real.SkippedSteps(), fake.SkippedSteps())
	}
	if len(real.Steps()) <= len(fake.Steps()) {
		t.Error("with containers nothing more is done than without")
	}
}

func TestEachStepHasATimeAndANameOfItsOwn(t *testing.T) {
	seen := map[string]bool{}
	for _, step := range New(&playground.Playground{Options: playground.Options{Runtime: playground.RuntimeContainerd}}).Steps() {
		if step.Timeout <= 0 || step.Run == nil || seen[step.Name] {
			t.Errorf("step %q has the timeout %s, or is there twice", step.Name, step.Timeout)
		}
		seen[step.Name] = true
	}
}

func TestNear(t *testing.T) {
	for name, tc := range map[string]struct {
		got, want string
		near      bool
	}{
		"equal":                     {"900m", "900m", true},
		"rounded to pages":          {"1835004Ki", "1792Mi", true},
		"the overhead is not taken": {"1", "900m", false},
		"nothing":                   {"0", "900m", false},
	} {
		t.Run(name, func(t *testing.T) {
			got, want := resource.MustParse(tc.got), resource.MustParse(tc.want)
			if approximatelyEqual(&got, &want) != tc.near {
				t.Errorf("near(%s, %s) is not %t", tc.got, tc.want, tc.near)
			}
		})
	}
}
