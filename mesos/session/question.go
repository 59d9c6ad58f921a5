package session

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	mesos "github.com/mesos/mesos-go/api/v1/lib"
	"github.com/mesos/mesos-go/api/v1/lib/master"

	"github.com/k8sm/k8sm/mesos/recordio"
	"github.com/k8sm/k8sm/mesos/scheduler"
)

const (
	// queryTimeout bounds a question to the operator API, in all.
	queryTimeout = time.Minute
	// maxAnswerBytes is the longest answer that is read: 10,000 agents take a tenth of it.
	maxAnswerBytes = 256 << 20
)

// queryMaster puts a question to the operator API of the master that we are subscribed to.
func (s *Session) queryMaster(ctx context.Context, question master.Call_Type) (*master.Response, error) {
	leader, err := s.leaderURL()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	res, err := s.client.post(ctx, leader.JoinPath(operatorPath), outboundCall{message: &master.Call{Type: question}})
	if err != nil {
		return nil, err
	}
	defer drainAndClose(res)
	if res.StatusCode != http.StatusOK {
		return nil, responseFailure(res)
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, maxAnswerBytes))
	if err != nil {
		return nil, fmt.Errorf("reading the answer: %w", err)
	}
	r := &master.Response{}
	return r, recordio.Decode(body, r, "the answer")
}

// leaderURL is the master that we are subscribed to.
func (s *Session) leaderURL() (*url.URL, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.core.State()
	if !st.Subscribed || s.current == nil {
		return nil, errors.New("not subscribed: " + st.Message)
	}
	return &url.URL{Scheme: s.current.endpoint.Scheme, Host: s.current.endpoint.Host}, nil
}

// wantedInfo is as what we want to be registered now.
func (s *Session) wantedInfo() scheduler.Info {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.info
}

// compareRegistration has the core told what the master keeps of an earlier registration. Masters
// ignore it silently when SUBSCRIBE says otherwise; they show it to those who may see us.
// Who may not is none the wiser.
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

// registrationDivergence says what a master has of us that is not what we said, of what never changes.
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
