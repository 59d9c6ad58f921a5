package session

import (
	"testing"

	mesos "github.com/mesos/mesos-go/api/v1/lib"

	"github.com/k8sm/k8sm/mesos/scheduler"
)

func TestRegistrationDivergence(t *testing.T) {
	t.Parallel()
	yes, no, p1 := true, false, "p1"
	for name, tc := range map[string]struct {
		has  mesos.FrameworkInfo
		want scheduler.Info
		kept string
	}{
		"no divergence":                      {mesos.FrameworkInfo{User: "root", Checkpoint: &yes, Principal: &p1}, scheduler.Info{User: "root", Principal: "p1"}, ""},
		"a principal that was not requested": {mesos.FrameworkInfo{User: "root", Checkpoint: &yes, Principal: &p1}, scheduler.Info{User: "root"}, ""},
		"another user":                       {mesos.FrameworkInfo{User: "root", Checkpoint: &yes}, scheduler.Info{User: "nobody"}, "user root, not nobody"},
		"no checkpointing":                   {mesos.FrameworkInfo{User: "root", Checkpoint: &no}, scheduler.Info{User: "root"}, "no checkpointing: tasks end when their agent's process does"},
		"checkpointing is not set":           {mesos.FrameworkInfo{User: "root"}, scheduler.Info{User: "root"}, "no checkpointing: tasks end when their agent's process does"},
		"everything":                         {mesos.FrameworkInfo{User: "a"}, scheduler.Info{User: "b", Principal: "c"}, "user a, not b; principal none, not c; no checkpointing: tasks end when their agent's process does"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := registrationDivergence(&tc.has, tc.want); got != tc.kept {
				t.Errorf("%q, want %q", got, tc.kept)
			}
		})
	}
}
