package allocation_test

import (
	"math"
	"testing"
	"time"

	mesos "github.com/mesos/mesos-go/api/v1/lib"

	"github.com/k8sm/k8sm/mesos/mesostest/internal/allocation"
)

func TestRefusalTime(t *testing.T) {
	seconds := func(s float64) *mesos.Filters { return &mesos.Filters{RefuseSeconds: &s} }
	const year = 365 * 24 * time.Hour
	for name, test := range map[string]struct {
		filters *mesos.Filters
		want    time.Duration
	}{
		"no filters":                          {nil, 5 * time.Second},
		"filters without time":                {&mesos.Filters{}, 5 * time.Second},
		"0 seconds":                           {seconds(0), 0},
		"a part of a second":                  {seconds(0.25), 250 * time.Millisecond},
		"an hour":                             {seconds(3600), time.Hour},
		"a negative time":                     {seconds(-1), 5 * time.Second},
		"NaN":                                 {seconds(math.NaN()), 5 * time.Second},
		"negative infinity":                   {seconds(math.Inf(-1)), 5 * time.Second},
		"a year":                              {seconds(year.Seconds()), year},
		"more than a year":                    {seconds(year.Seconds() + 1), year},
		"infinity":                            {seconds(math.Inf(1)), year},
		"more seconds than an int64 can hold": {seconds(1e300), year},
	} {
		t.Run(name, func(t *testing.T) {
			if got := allocation.RefusalTime(test.filters); got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
		})
	}
}

func TestFilters(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for name, test := range map[string]struct {
		refused string
		free    string
		role    string
		after   time.Duration
		want    bool
	}{
		"the same":                           {"cpus:2;mem:64", "cpus:2;mem:64", "a", 0, true},
		"less":                               {"cpus:2;mem:64", "cpus:1", "a", 0, true},
		"more of one resource":               {"cpus:2;mem:64", "cpus:3", "a", 0, false},
		"another resource":                   {"cpus:2", "mem:1", "a", 0, false},
		"a part of the ports":                {"ports:[1-9]", "ports:[3-4]", "a", 0, true},
		"a port outside of the range":        {"ports:[1-9]", "ports:[9-10]", "a", 0, false},
		"another role":                       {"cpus:2", "cpus:2", "b", 0, false},
		"before the time is over":            {"cpus:2", "cpus:2", "a", 10*time.Second - 1, true},
		"when the time is over":              {"cpus:2", "cpus:2", "a", 10 * time.Second, false},
		"resources that were reserved since": {"cpus:2", "cpus(a):1", "a", 0, false},
		"empty resources are always refused": {"cpus:2", "", "a", 0, true},
	} {
		t.Run(name, func(t *testing.T) {
			f := allocation.Filters{}
			f.Add("a", parse(t, test.refused), now.Add(10*time.Second))
			if got := f.Refuse(test.role, parse(t, test.free), now.Add(test.after)); got != test.want {
				t.Errorf("got %t, want %t", got, test.want)
			}
		})
	}
}

func TestNoFiltersRefuseNothing(t *testing.T) {
	var none allocation.Filters
	if none.Refuse("a", parse(t, ""), time.Now()) {
		t.Error("something is refused")
	}
}

func TestFiltersAreIndependent(t *testing.T) {
	now := time.Now()
	f := allocation.Filters{}
	f.Add("a", parse(t, "cpus:1"), now.Add(time.Second))
	f.Add("a", parse(t, "mem:64"), now.Add(time.Minute))
	if f.Refuse("a", parse(t, "cpus:1;mem:64"), now) {
		t.Error("two refusals are taken for one of both together")
	}
	later := now.Add(2 * time.Second)
	if f.Refuse("a", parse(t, "cpus:1"), later) || !f.Refuse("a", parse(t, "mem:64"), later) {
		t.Error("the one whose time has passed still counts, or the other one no longer")
	}
	if len(f["a"]) != 1 {
		t.Errorf("%d filters are kept, want 1", len(f["a"]))
	}
}

func TestFiltersRefuseContainedResources(t *testing.T) {
	now := time.Now()
	q := parse(t, "cpus:2")
	f := allocation.Filters{}
	f.Add("a", q, now.Add(time.Second))
	q.Subtract(parse(t, "cpus:2")) // the caller goes on with its own
	if !f.Refuse("a", parse(t, "cpus:2"), now) {
		t.Error("the filter changed with the quantities of its caller")
	}
}

func TestDroppedFiltersOfARole(t *testing.T) {
	now := time.Now()
	f := allocation.Filters{}
	f.Add("a", parse(t, "cpus:1"), now.Add(time.Second))
	f.Add("b", parse(t, "cpus:1"), now.Add(time.Second))
	f.Drop("a")
	f.Drop("c")
	if f.Refuse("a", parse(t, "cpus:1"), now) || !f.Refuse("b", parse(t, "cpus:1"), now) {
		t.Error("not the role's filters were dropped")
	}
}
