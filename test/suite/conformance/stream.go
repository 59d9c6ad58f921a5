package conformance

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/k8sm/k8sm/mesos/recordio"
)

// read handles events until the stream ends.
func (s *schedulerClient) read(body io.ReadCloser) {
	defer body.Close()
	r := recordio.NewReader(body, recordio.MaxMasterRecord)
	for {
		record, err := r.ReadRecord()
		var e event
		if err == nil {
			if err = json.Unmarshal(record, &e); err != nil {
				err = fmt.Errorf("reading an event: %w", err)
			}
		}
		if err != nil {
			s.update(func() { s.ended = err })
			return
		}
		s.update(func() { s.handleEvent(&e) })
	}
}

// update changes the state of the client, and wakes the goroutines that wait for changes.
func (s *schedulerClient) update(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
	close(s.changed)
	s.changed = make(chan struct{})
}

func (s *schedulerClient) handleEvent(e *event) {
	if s.first == nil {
		s.first = e
	}
	s.types = append(s.types, e.Type)
	switch {
	case e.Type == "HEARTBEAT":
		s.heartbeats = append(s.heartbeats, time.Now())
	case e.Offers != nil:
		s.held = append(s.held, e.Offers.Offers...)
		s.offered = append(s.offered, e.Offers.Offers...)
	case e.Rescind != nil:
		s.rescinds = append(s.rescinds, e.Rescind.OfferID.Value)
		s.held = slices.DeleteFunc(s.held, func(o offer) bool { return o.ID == e.Rescind.OfferID })
	case e.Update != nil:
		s.handleUpdate(e.Update.Status)
	case e.Failure != nil:
		s.failures = append(s.failures, *e.Failure)
	case e.Error != nil:
		s.errorMessage = e.Error.Message
	}
}

func (s *schedulerClient) handleUpdate(st status) {
	s.updates = append(s.updates, st)
	if st.terminal() {
		delete(s.live, st.TaskID.Value)
	}
	if st.UUID != "" && !s.holdAcks {
		go func() {
			ctx, cancel := context.WithTimeout(s.c.ctx, s.c.Patience)
			defer cancel()
			_ = s.acknowledge(ctx, st) // on failure the agent sends the update again
		}()
	}
}

func (s *schedulerClient) acknowledge(ctx context.Context, st status) error {
	return s.accepted(ctx, "ACKNOWLEDGE", object{"acknowledge": object{"agent_id": st.AgentID, "task_id": st.TaskID, "uuid": st.UUID}})
}

// errTimeout is wrapped by await when the time is over.
var errTimeout = errors.New("it did not come")

// await waits until look returns true. look is called with the lock held.
func await[T any](ctx context.Context, s *schedulerClient, within time.Duration, what string, look func() (T, bool)) (T, error) {
	timer := time.NewTimer(within)
	defer timer.Stop()
	for {
		s.mu.Lock()
		found, ok := look()
		changed, ended := s.changed, s.ended
		s.mu.Unlock()
		if ok {
			return found, nil
		}
		var none T
		if ended != nil {
			return none, fmt.Errorf("waiting for %s: the stream ended: %w", what, ended)
		}
		select {
		case <-changed:
		case <-timer.C:
			return none, fmt.Errorf("waiting %s for %s: %w", within, what, errTimeout)
		case <-ctx.Done():
			return none, fmt.Errorf("waiting for %s: %w", what, ctx.Err())
		}
	}
}

// expectNone waits for Options.Quiet, and returns an error if look finds anything.
func expectNone(p *probe, s *schedulerClient, what string, look func() (string, bool)) error {
	found, err := await(p.ctx, s, p.Quiet, what, look)
	switch {
	case err == nil:
		return fmt.Errorf("%s came: %s", what, found)
	case errors.Is(err, errTimeout):
		return nil
	}
	return err
}

// status waits for the first status of a task with an index of at least from that fits
// accepts.
func (s *schedulerClient) status(p *probe, task string, from int, what string, fits func(status) bool) (status, error) {
	var last status
	st, err := await(p.ctx, s, p.Patience, what, func() (status, bool) {
		for _, st := range s.updates[from:] {
			if st.TaskID.Value != task {
				continue
			}
			if fits(st) {
				return st, true
			}
			last = st
		}
		return status{}, false
	})
	if err != nil && last.State != "" {
		err = fmt.Errorf("%w; the last status is %s", err, last)
	}
	return st, err
}

// awaitState waits until a task is in one of the states. It returns an error if the task
// ends in another.
func (s *schedulerClient) awaitState(p *probe, task string, states ...string) (status, error) {
	st, err := s.status(p, task, 0, strings.Join(states, " or "), func(st status) bool {
		return slices.Contains(states, st.State) || st.terminal()
	})
	if err == nil && !slices.Contains(states, st.State) {
		err = fmt.Errorf("the task is %s, not %s", st, strings.Join(states, " or "))
	}
	return st, err
}

// updateCount returns the index of the next status.
func (s *schedulerClient) updateCount() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.updates)
}
