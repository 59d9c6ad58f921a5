package offers_test

import (
	"fmt"
	"strings"
	"testing"

	mesos "github.com/mesos/mesos-go/api/v1/lib"

	"github.com/k8sm/k8sm/mesos/scheduler/offers"
)

func faultDomain(region, zone string) *mesos.DomainInfo {
	return &mesos.DomainInfo{FaultDomain: &mesos.DomainInfo_FaultDomain{
		Region: mesos.DomainInfo_FaultDomain_RegionInfo{Name: region}, Zone: mesos.DomainInfo_FaultDomain_ZoneInfo{Name: zone},
	}}
}

func text(name, value string) mesos.Attribute {
	return mesos.Attribute{Name: name, Type: mesos.TEXT, Text: &mesos.Value_Text{Value: value}}
}

func TestAgentsThatCannotBeStoredAreNotUsed(t *testing.T) {
	long := strings.Repeat("x", 3<<20)
	many := make([]mesos.Attribute, 1001)
	for i := range many {
		many[i] = text(fmt.Sprint(i), "x")
	}
	for name, tc := range map[string]struct {
		id, hostname string
		domain       *mesos.DomainInfo
		attributes   []mesos.Attribute
		want         string
	}{
		"an agent as others":          {id: "3fcdb8eb-S0", hostname: "agent-1.example", domain: faultDomain("eu", "eu-1"), attributes: []mesos.Attribute{text("rack", "r1")}},
		"an agent without a domain":   {id: "3fcdb8eb-S0", hostname: "10.0.0.1"},
		"the longest names":           {id: long[:255], hostname: long[:255], domain: faultDomain(long[:255], long[:255])},
		"a thousand attributes":       {attributes: many[:1000]},
		"an ID of 3 MiB":              {id: long, want: "has an unusable ID of 3145728 bytes"},
		"a host name of 3 MiB":        {id: "S0", hostname: long, want: `agent "S0" has an unusable host name of 3145728 bytes, more than 255`},
		"a region of 3 MiB":           {domain: faultDomain(long, "z"), want: "has an unusable region"},
		"a zone of 3 MiB":             {domain: faultDomain("r", long), want: "has an unusable zone"},
		"too many attributes":         {attributes: many, want: "has 1001 attributes"},
		"an attribute of 3 MiB":       {attributes: []mesos.Attribute{text("rack", long)}, want: "attributes of more than 131072 bytes"},
		"an attribute's name is long": {attributes: []mesos.Attribute{text(long, "r1")}, want: "attributes of more than"},
	} {
		t.Run(name, func(t *testing.T) {
			err := offers.CheckAgent(tc.id, tc.hostname, tc.domain, tc.attributes)
			if (err == nil) != (tc.want == "") || err != nil && !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
			if err != nil && len(err.Error()) > 500 {
				t.Errorf("the error has %d bytes", len(err.Error()))
			}
		})
	}
}
