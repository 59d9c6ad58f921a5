package quota_test

import (
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
	mesos "github.com/mesos/mesos-go/api/v1/lib"
	quotapb "github.com/mesos/mesos-go/api/v1/lib/quota"

	"github.com/k8sm/k8sm/mesos/mesostest/internal/quota"
)

// values are the values of a guarantee or limit: a name, then its amount.
func values(pairs ...any) map[string]mesos.Value_Scalar {
	out := map[string]mesos.Value_Scalar{}
	for i := 0; i < len(pairs); i += 2 {
		out[pairs[i].(string)] = mesos.Value_Scalar{Value: pairs[i+1].(float64)}
	}
	return out
}

func config(role string, guarantees, limits map[string]mesos.Value_Scalar) quotapb.QuotaConfig {
	return quotapb.QuotaConfig{Role: role, Guarantees: guarantees, Limits: limits}
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func TestAmountsAreRoundedToThousandths(t *testing.T) {
	for value, want := range map[float64]int64{0: 0, 1: 1000, 0.001: 1, 0.0004: 0, 0.0005: 1, 2.9996: 3000, 1e9: 1e12} {
		if got := quota.AmountsOf(values("cpus", value))["cpus"]; got != want {
			t.Errorf("%v: got %d, want %d", value, got, want)
		}
	}
}

func TestAmountsWithinLimits(t *testing.T) {
	for name, test := range map[string]struct {
		have, limits quota.Amounts
		want         bool
	}{
		"empty amounts are within every limit":       {nil, quota.Amounts{"cpus": 0}, true},
		"as much as the limit":                       {quota.Amounts{"cpus": 1}, quota.Amounts{"cpus": 1}, true},
		"more than the limit":                        {quota.Amounts{"cpus": 2}, quota.Amounts{"cpus": 1}, false},
		"a resource without a limit is not compared": {quota.Amounts{"mem": 2}, quota.Amounts{"cpus": 1}, true},
		"one of two beyond its limit":                {quota.Amounts{"cpus": 1, "mem": 9}, quota.Amounts{"cpus": 1, "mem": 8}, false},
		"a limit of nothing":                         {quota.Amounts{"cpus": 1}, quota.Amounts{"cpus": 0}, false},
		"no limits at all":                           {quota.Amounts{"cpus": 1}, nil, true},
	} {
		t.Run(name, func(t *testing.T) {
			if got := test.have.IsWithin(test.limits); got != test.want {
				t.Errorf("got %t, want %t", got, test.want)
			}
		})
	}
}

func TestAmountsThatCover(t *testing.T) {
	for name, test := range map[string]struct {
		have, wanted quota.Amounts
		want         bool
	}{
		"empty amounts cover empty amounts":     {nil, nil, true},
		"as much as wanted":                     {quota.Amounts{"cpus": 1}, quota.Amounts{"cpus": 1}, true},
		"less than wanted":                      {quota.Amounts{"cpus": 1}, quota.Amounts{"cpus": 2}, false},
		"a wanted resource that is missing":     {quota.Amounts{"cpus": 1}, quota.Amounts{"mem": 1}, false},
		"a wanted resource with the amount 0":   {nil, quota.Amounts{"mem": 0}, true},
		"more than wanted, and other resources": {quota.Amounts{"cpus": 3, "mem": 1}, quota.Amounts{"cpus": 2}, true},
	} {
		t.Run(name, func(t *testing.T) {
			if got := test.have.Covers(test.wanted); got != test.want {
				t.Errorf("got %t, want %t", got, test.want)
			}
		})
	}
}

func TestSubtractingWhatWasAddedChangesNothing(t *testing.T) {
	a := quota.Amounts{"cpus": 5, "mem": 7}
	a.Add(quota.Amounts{"mem": 3, "disk": 2})
	if diff := cmp.Diff(quota.Amounts{"cpus": 5, "mem": 10, "disk": 2}, a); diff != "" {
		t.Errorf("sum (-want +got):\n%s", diff)
	}
	a.Subtract(quota.Amounts{"mem": 3, "disk": 2})
	if diff := cmp.Diff(quota.Amounts{"cpus": 5, "mem": 7, "disk": 0}, a); diff != "" {
		t.Errorf("difference (-want +got):\n%s", diff)
	}
}

func TestAmountsAreWrittenByName(t *testing.T) {
	for want, amounts := range map[string]quota.Amounts{
		"":                          nil,
		"cpus:4":                    {"cpus": 4000},
		"cpus:0.5; disk:1; mem:512": {"mem": 512_000, "cpus": 500, "disk": 1000},
		"cpus:1000000000000":        {"cpus": 1e15},
	} {
		if got := amounts.String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestConfigurations(t *testing.T) {
	for name, test := range map[string]struct {
		config quotapb.QuotaConfig
		want   string // the error; empty for a valid configuration
	}{
		"neither guarantee nor limit":  {config("a", nil, nil), ""},
		"a guarantee within its limit": {config("a", values("cpus", 1.0), values("cpus", 2.0)), ""},
		"a guarantee without a limit":  {config("a", values("cpus", 1.0), nil), ""},
		"the largest amount":           {config("a", nil, values("cpus", 1e12)), ""},
		"a nested role":                {config("a/b", nil, nil), "Updating quota on nested role 'a/b' is not supported yet"},
		"an invalid role":              {config("-a", nil, nil), "Invalid QuotaConfig: Invalid 'QuotaConfig.role': Role component '-a' is invalid because it begins with a dash"},
		"a guarantee below zero":       {config("a", values("cpus", -1.0), nil), "Invalid QuotaConfig: Invalid guarantee configuration {'cpus': -1}: Negative values not supported"},
		"a limit below zero":           {config("a", nil, values("mem", -0.5)), "Invalid QuotaConfig: Invalid limit configuration {'mem': -0.5}: Negative values not supported"},
		"NaN":                          {config("a", values("cpus", math.NaN()), nil), "Invalid QuotaConfig: Invalid guarantee configuration {'cpus': NaN}: Infinite values not supported"},
		"infinity":                     {config("a", nil, values("cpus", math.Inf(1))), "Invalid QuotaConfig: Invalid limit configuration {'cpus': +Inf}: Infinite values not supported"},
		"more than a trillion":         {config("a", nil, values("cpus", 2e12)), "Invalid QuotaConfig: Invalid 'QuotaConfig.limits': {'cpus': 2000000000000} is invalid: values greater than 1 trillion (1000000000000) are not supported"},
		"a guarantee beyond its limit": {config("a", values("cpus", 3.0), values("cpus", 2.0)), "Invalid QuotaConfig: 'QuotaConfig.guarantees' { cpus: 3 } is not contained within the 'QuotaConfig.limits' { cpus: 2 }"},
		"the error names the first invalid resource in order": {config("a", values("mem", -1.0, "cpus", -2.0), nil), "Invalid QuotaConfig: Invalid guarantee configuration {'cpus': -2}: Negative values not supported"},
		"guarantees are checked before limits":                {config("a", values("cpus", -1.0), values("cpus", -2.0)), "Invalid QuotaConfig: Invalid guarantee configuration {'cpus': -1}: Negative values not supported"},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, text(quota.Validate([]quotapb.QuotaConfig{config("other", nil, nil), test.config}))); diff != "" {
				t.Errorf("error (-want +got):\n%s", diff)
			}
		})
	}
}

func TestConfigurationsAgainstUse(t *testing.T) {
	const force = " (use 'force' flag to bypass this check)"
	for name, test := range map[string]struct {
		present map[string]quotapb.QuotaConfig
		configs []quotapb.QuotaConfig
		want    string
	}{
		"limits that hold already": {
			configs: []quotapb.QuotaConfig{config("busy", nil, values("cpus", 3.0))},
		},
		"a limit below what is consumed": {
			configs: []quotapb.QuotaConfig{config("busy", nil, values("cpus", 2.5))},
			want:    "Invalid QuotaConfig: Role 'busy' is already consuming 'cpus:3; mem:64'; this is more than the requested limits 'cpus:2.5'" + force,
		},
		"a limit on something else": {
			configs: []quotapb.QuotaConfig{config("busy", nil, values("disk", 0.0))},
		},
		"guarantees that the cluster has": {
			configs: []quotapb.QuotaConfig{config("a", values("cpus", 6.0), nil), config("b", values("cpus", 4.0), nil)},
		},
		"guarantees that exceed the cluster together": {
			configs: []quotapb.QuotaConfig{config("a", values("cpus", 6.0), nil), config("b", values("cpus", 4.001), nil)},
			want:    "Invalid QuotaConfig: total quota guarantees 'cpus:10.001' exceed cluster capacity 'cpus:10; mem:1024'" + force,
		},
		"guarantees of other roles count": {
			present: map[string]quotapb.QuotaConfig{"b": config("b", values("cpus", 7.0), nil)},
			configs: []quotapb.QuotaConfig{config("a", values("cpus", 6.0), nil)},
			want:    "Invalid QuotaConfig: total quota guarantees 'cpus:13' exceed cluster capacity 'cpus:10; mem:1024'" + force,
		},
		"a guarantee replaces the role's earlier one": {
			present: map[string]quotapb.QuotaConfig{"a": config("a", values("cpus", 7.0), nil)},
			configs: []quotapb.QuotaConfig{config("a", values("cpus", 6.0), nil)},
		},
		"a guarantee of a resource that no agent has": {
			configs: []quotapb.QuotaConfig{config("a", values("gpus", 1.0), nil)},
			want:    "Invalid QuotaConfig: total quota guarantees 'gpus:1' exceed cluster capacity 'cpus:10; mem:1024'" + force,
		},
	} {
		t.Run(name, func(t *testing.T) {
			present := len(test.present)
			err := quota.ValidateUsage(test.present, test.configs, quota.Usage{
				Consumed: func(role string) quota.Amounts {
					if role == "busy" {
						return quota.Amounts{"cpus": 3000, "mem": 64_000}
					}
					return nil
				},
				Capacity: quota.Amounts{"cpus": 10_000, "mem": 1_024_000},
			})
			if diff := cmp.Diff(test.want, text(err)); diff != "" {
				t.Errorf("error (-want +got):\n%s", diff)
			}
			if len(test.present) != present {
				t.Error("the check changed the quotas that there are")
			}
		})
	}
}

func TestNumbersHaveNoExponent(t *testing.T) {
	for want, v := range map[string]float64{"0": 0, "1000000000000": 1e12, "0.001": 0.001, "-2.5": -2.5} {
		if got := quota.FormatNumber(v); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}
