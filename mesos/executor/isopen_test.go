package executor

import (
	"testing"

	"github.com/k8sm/k8sm/mesos/mesostest"
)

func TestAgentIsAskedWithoutTheToken(t *testing.T) {
	for name, tc := range map[string]struct {
		key  []byte
		open bool
	}{
		"an agent that authenticates executors": {[]byte("secret"), false},
		"an agent that does not":                {nil, true},
	} {
		inCluster(t, mesostest.AgentOptions{ExecutorKey: tc.key}, func(c *cluster) {
			endpoint := Endpoint{Address: "10.0.0.11:5051", Token: "jwt", Dial: c.network.Dial}
			if open, err := endpoint.IsOpen(c.Context()); err != nil || open != tc.open {
				t.Errorf("%s: open %t, %v", name, open, err)
			}
		})
	}
}
