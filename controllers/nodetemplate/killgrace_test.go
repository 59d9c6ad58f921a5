package nodetemplate

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/k8sm/k8sm/mesos/nodeapi"
)

func TestContainersHaveTheKillGracePeriodOfTheirPool(t *testing.T) {
	for name, test := range map[string]struct {
		given   *metav1.Duration
		want    time.Duration
		seconds int
	}{
		"the default":         {want: 30 * time.Second, seconds: 30},
		"that of the pool":    {given: &metav1.Duration{Duration: 2 * time.Minute}, want: 2 * time.Minute, seconds: 120},
		"fractions of a unit": {given: &metav1.Duration{Duration: 5500 * time.Millisecond}, want: 5500 * time.Millisecond, seconds: 6},
	} {
		t.Run(name, func(t *testing.T) {
			node := launched()
			node.Spec.Drain.KillGracePeriod = test.given
			payload, err := nodeDefaults().Payload(node, newIntent(), token)
			if err != nil {
				t.Fatal(err)
			}
			spec, err := nodeapi.DecodeLaunchSpec(payload.Data)
			if err != nil {
				t.Fatal(err)
			}
			if payload.KillGrace != test.want || spec.KillGraceSeconds != test.seconds {
				t.Errorf("Mesos is told %s, the executor %d s; want %s and %d s", payload.KillGrace, spec.KillGraceSeconds, test.want, test.seconds)
			}
		})
	}
}
