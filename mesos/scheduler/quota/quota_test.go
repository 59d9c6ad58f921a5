package quota_test

import (
	"strings"
	"testing"

	mesos "github.com/mesos/mesos-go/api/v1/lib"
	"github.com/mesos/mesos-go/api/v1/lib/master"
	quotapb "github.com/mesos/mesos-go/api/v1/lib/quota"

	"github.com/k8sm/k8sm/mesos/placement"
	"github.com/k8sm/k8sm/mesos/scheduler/quota"
)

func limits(role string, amounts map[string]float64) quotapb.QuotaConfig {
	c := quotapb.QuotaConfig{Role: role, Limits: map[string]mesos.Value_Scalar{}}
	for name, x := range amounts {
		c.Limits[name] = mesos.Value_Scalar{Value: x}
	}
	return c
}

func scalar(name string, x float64) mesos.Resource {
	return mesos.Resource{Name: name, Type: mesos.SCALAR.Enum(), Scalar: &mesos.Value_Scalar{Value: x}}
}

func allocated(role, name string, x float64) mesos.Resource {
	r := scalar(name, x)
	r.AllocationInfo = &mesos.Resource_AllocationInfo{Role: &role}
	return r
}

func reserved(role string, r mesos.Resource) mesos.Resource {
	r.Reservations = []mesos.Resource_ReservationInfo{{Role: &role}}
	return r
}

var agents = []master.Response_GetAgents_Agent{
	{AllocatedResources: []mesos.Resource{allocated("prod", "cpus", 2), allocated("prod", "mem", 3072), allocated("dev", "cpus", 7)}},
	{
		TotalResources:     []mesos.Resource{scalar("cpus", 8), reserved("prod", scalar("cpus", 1))},
		AllocatedResources: []mesos.Resource{allocated("prod/team", "cpus", 0.5), reserved("prod", allocated("prod", "cpus", 1))},
	},
}

func TestHeadroomOfRoles(t *testing.T) {
	configs := []quotapb.QuotaConfig{limits("prod", map[string]float64{"cpus": 4, "mem": 4096}), limits("free", nil)}
	got := quota.Of([]string{"prod", "prod/other", "free", "dev"}, configs, agents)
	if len(got) != 2 {
		t.Fatalf("%d roles have a limit, want 2: %v", len(got), got)
	}
	for _, role := range []string{"prod", "prod/other"} {
		h := got[role]
		if h.Role != "prod" || h.Used["cpus"] != 3.5 || h.Used["mem"] != 3072 || h.Limit["cpus"] != 4 || h.Limit["mem"] != 4096 {
			t.Errorf("the headroom of role %s is %+v", role, h)
		}
	}
}

func TestLacksNamesTheQuotaAndWhatIsLeft(t *testing.T) {
	h := quota.Headroom{Role: "prod", Limit: map[string]float64{"cpus": 4, "mem": 4096}, Used: map[string]float64{"cpus": 3.5, "mem": 3072}}
	for name, tc := range map[string]struct {
		headroom quota.Headroom
		need     placement.Resources
		want     string
	}{
		"it is enough":                  {h, placement.Resources{CPUs: 0.5, MemMiB: 1024}, ""},
		"cpus are lacking":              {h, placement.Resources{CPUs: 1, MemMiB: 1024}, "the quota of role prod leaves 0.5 of 4 cpus and 1024 of 4096 MiB of memory, and the node needs 1 cpus: "},
		"memory is lacking":             {h, placement.Resources{CPUs: 0.5, MemMiB: 2048}, "and the node needs 2048 MiB of memory: "},
		"both are lacking":              {h, placement.Resources{CPUs: 1, MemMiB: 2048}, "and the node needs 1 cpus and 2048 MiB of memory: "},
		"disk has no limit":             {h, placement.Resources{CPUs: 0.5, MemMiB: 1024, DiskMiB: 1 << 30}, ""},
		"a limit of zero":               {quota.Headroom{Role: "r", Limit: map[string]float64{"disk": 0}}, placement.Resources{DiskMiB: 1}, "leaves 0 of 0 MiB of disk"},
		"more is used than the limit":   {quota.Headroom{Role: "r", Limit: map[string]float64{"cpus": 1}, Used: map[string]float64{"cpus": 3}}, placement.Resources{CPUs: 1}, "leaves 0 of 1 cpus"},
		"sums of floating point":        {quota.Headroom{Role: "r", Limit: map[string]float64{"cpus": 0.3}, Used: map[string]float64{"cpus": 0.1 + 0.1}}, placement.Resources{CPUs: 0.1}, ""},
		"a role without a quota at all": {quota.Headroom{}, placement.Resources{CPUs: 1000}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			got := tc.headroom.Lacks(tc.need)
			if (got == "") != (tc.want == "") || !strings.Contains(got, tc.want) {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}
