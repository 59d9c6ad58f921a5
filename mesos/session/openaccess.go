package session

import (
	"context"

	"github.com/k8sm/k8sm/mesos/access"
)

// OpenAccess asks the master that the session is subscribed to which calls it serves without
// credentials. It sends nothing that could change anything.
func (s *Session) OpenAccess(ctx context.Context) (access.Open, error) {
	leader, err := s.leaderURL()
	if err != nil {
		return access.Open{}, err
	}
	return access.Server{URL: leader.String(), TLS: tlsConfig(s.client.current().credentials.TLS), Dial: s.client.dial}.AskMaster(ctx)
}
