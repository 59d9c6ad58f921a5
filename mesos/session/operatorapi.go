package session

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/mesos/mesos-go/api/v1/lib/master"

	"github.com/k8sm/k8sm/mesos/recordio"
	"github.com/k8sm/k8sm/mesos/session/failure"
)

const (
	operatorPath = "/api/v1"
	// queryTimeout bounds one call to the operator API, from the request to the last byte.
	queryTimeout = time.Minute
	// maxAnswerBytes is the longest answer that is read: 10,000 agents need a tenth of it.
	maxAnswerBytes = 256 << 20
)

// queryMaster calls the operator API of the master that the session is subscribed to.
func (s *Session) queryMaster(ctx context.Context, call master.Call_Type) (*master.Response, error) {
	leader, err := s.leaderURL()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	res, err := s.client.post(ctx, leader.JoinPath(operatorPath), outboundCall{message: &master.Call{Type: call}})
	if err != nil {
		return nil, err
	}
	defer drainAndClose(res)
	if res.StatusCode != http.StatusOK {
		return nil, failure.OfResponse(res)
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, maxAnswerBytes))
	if err != nil {
		return nil, fmt.Errorf("reading the answer: %w", err)
	}
	r := &master.Response{}
	return r, recordio.Decode(body, r, "the answer")
}

// leaderURL returns the address of the master that the session is subscribed to.
func (s *Session) leaderURL() (*url.URL, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.core.State()
	if !st.Subscribed || s.current == nil {
		return nil, errors.New("not subscribed: " + st.Message)
	}
	return &url.URL{Scheme: s.current.endpoint.Scheme, Host: s.current.endpoint.Host}, nil
}
