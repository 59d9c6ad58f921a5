package nodeapi

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestInvalidKubeletConfigNamesTheProblem(t *testing.T) {
	tests := map[string]struct{ config, want string }{
		"the certificates":           {`{"rotateCertificates": false}`, "rotateCertificates is not a pool's to set: the operator approves"},
		"a port":                     {`{"readOnlyPort": 10255}`, "address and ports are those of the Mesos offer"},
		"its own cgroup":             {`{"cgroupRoot": "/"}`, "pods live in the Mesos container's cgroup"},
		"its own allocatable":        {`{"systemReserved": {"cpu": "1"}}`, "less template.spec.overhead"},
		"CPUs of its own":            {`{"cpuManagerPolicy": "static"}`, "Mesos allots shares of CPUs"},
		"taints":                     {`{"registerWithTaints": []}`, "template.spec.startupTaints"},
		"to hold up the machine":     {`{"shutdownGracePeriod": "30s"}`, "would hold up the machine's shutdown"},
		"nothing that makes sense":   {`["maxPods"]`, "not a JSON object"},
		"nothing at all":             {`null`, "not a JSON object"},
		"thresholds that are none":   {`{"evictionHard": {"memory.available": "lots"}}`, `evictionHard[memory.available]: "lots" is neither a positive number nor a percentage`},
		"a threshold of a unit":      {`{"evictionHard": {"nodefs.available": "1Gi"}}`, "neither a positive number nor a percentage"},
		"to evict always":            {`{"evictionHard": {"nodefs.available": "100%"}}`, "not a percentage between 0 and 100"},
		"a threshold without number": {`{"evictionHard": {"nodefs.available": "NaN%"}}`, "not a percentage between 0 and 100"},
		"a negative threshold":       {`{"evictionHard": {"imagefs.available": "-1"}}`, "neither a positive number nor a percentage"},
		"a list of thresholds":       {`{"evictionHard": ["memory.available"]}`, "reading evictionHard"},
		"more than the overhead has": {`{"evictionHard": {"memory.available": "134217729"}}`, "more than half of the overhead of 256 MiB that it is taken from: raise template.spec.overhead.memory"},
		"a tenth of the node":        {`{"evictionHard": {"memory.available": "10%"}}`, "comes to 204 MiB"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			l := testLaunch()
			l.KubeletConfig = json.RawMessage(tc.config)
			if err := l.Validate(); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error is %v, want %q in it", err, tc.want)
			}
		})
	}
	l := testLaunch()
	l.KubeletConfig = json.RawMessage(`{"maxPods": 30, "evictionHard": {"memory.available": "134217728"}}`)
	if err := l.Validate(); err != nil {
		t.Errorf("a wish that can be met: %v", err)
	}
}
