package session

import (
	"context"
	"errors"

	"github.com/k8sm/k8sm/mesos/placement"
)

// Session is one framework's conversation with a Mesos cluster.
type Session struct{}

// New checks the configuration and makes a session that is not yet running.
func New(cfg Config) (*Session, error) { return nil, errors.New("not implemented") }

// Run holds the conversation until the context ends or the session is final.
func (s *Session) Run(ctx context.Context) error { return nil }

// State of the registration.
func (s *Session) State() State { return State{} }

// Want asks for a task, or changes what was asked as long as it has no place. Asking
// again for the same is free.
func (s *Session) Want(d placement.Demand) {}

// Forget withdraws a demand. What was launched for it is not killed.
func (s *Session) Forget(taskID string) {}

// Kill has a task killed, again and again until a terminal status is recorded.
func (s *Session) Kill(taskID, agentID string) {}

// Explain says why a wanted task has no place yet; waiting is false when the task is
// not wanted, or has a place.
func (s *Session) Explain(taskID string) (message string, waiting bool) { return "", false }

// LargestAgent asks the master what the agents of the cluster have in all.
func (s *Session) LargestAgent(ctx context.Context) (Capacity, error) { return Capacity{}, nil }

// Teardown removes the framework from Mesos with all its tasks. It ends the session.
func (s *Session) Teardown(ctx context.Context) error { return nil }
