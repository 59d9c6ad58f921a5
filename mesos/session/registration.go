package session

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	mesos "github.com/mesos/mesos-go/api/v1/lib"
	"github.com/mesos/mesos-go/api/v1/lib/master"

	"github.com/k8sm/k8sm/mesos/scheduler"
)

// wantedInfo returns the registration that is wanted now.
func (s *Session) wantedInfo() scheduler.Info {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.info
}

// compareRegistration asks the master for the registration that it has, and gives the
// differences to the core. A master silently keeps some values of an earlier registration
// when SUBSCRIBE names others. It shows them only to principals that may see the framework;
// for others the differences stay unknown.
func (st *stream) compareRegistration() {
	s := st.s
	answer, err := s.queryMaster(st.ctx, master.Call_GET_FRAMEWORKS)
	if err != nil {
		s.log.V(1).Info("Asking the master for our registration failed", "reason", err.Error())
		return
	}
	id, want := s.State().FrameworkID, s.wantedInfo()
	for i := range answer.GetGetFrameworks().GetFrameworks() {
		if has := &answer.GetFrameworks.Frameworks[i].FrameworkInfo; has.GetID().GetValue() == id {
			st.withCore(func(time.Time) { s.core.SetDivergence(registrationDivergence(has, want)) })
			return
		}
	}
}

// registrationDivergence lists, for a person, the values of a registration that never change
// and that the master has otherwise than wanted. It returns "" if there are none.
func registrationDivergence(has *mesos.FrameworkInfo, want scheduler.Info) string {
	var out []string
	if has.User != want.User {
		out = append(out, fmt.Sprintf("user %s, not %s", has.User, want.User))
	}
	if p := has.GetPrincipal(); want.Principal != "" && p != want.Principal {
		out = append(out, fmt.Sprintf("principal %s, not %s", cmp.Or(p, "none"), want.Principal))
	}
	if !has.GetCheckpoint() {
		out = append(out, "no checkpointing: tasks end when their agent's process does")
	}
	return strings.Join(out, "; ")
}
