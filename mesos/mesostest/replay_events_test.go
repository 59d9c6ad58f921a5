package mesostest

import (
	"fmt"
	"time"
)

// late is how much our events may be off the recorded ones in time: real processes
// take theirs.
const late = 600 * time.Millisecond

// event waits for the event, which others may pass that are not of its kind.
func (p *replay) event(l line) {
	event, ok := l.Body.(object)
	if !ok || !p.options.split {
		p.eventPart(l)
		return
	}
	for _, part := range split(event) {
		l.Body = part
		p.eventPart(l)
	}
}

func (p *replay) eventPart(l line) {
	s, ok := p.streams[l.Req]
	if !ok {
		p.errorf(l, "no such stream")
		return
	}
	kind := eventKey(p.tr, l.Body)
	got, ok := s.awaitEvent(kind, time.Until(p.start.Add(l.at()+late)))
	if !ok {
		p.errorf(l, "missing %s; early: %v", kind, s.early)
		return
	}
	for _, diff := range p.tr.compare("event", l.Body, got) {
		p.errorf(l, "%s", diff)
	}
	if ahead := l.at() - time.Since(p.start); ahead > late {
		p.errorf(l, "%s came %s too early", kind, ahead)
	}
}

// eventKey is different for events whose relative order does not matter.
func eventKey(tr translation, event any) string {
	kind, _ := fieldAt(event, "type").(string)
	for _, path := range [][]any{
		{"update", "status", "task_id", "value"}, {"acknowledged", "task_id", "value"}, {"rescind", "offer_id", "value"},
	} {
		if id, ok := fieldAt(event, path...).(string); ok {
			kind += " " + tr.translateText(id)
		}
	}
	return kind
}

func (s *replayStream) awaitEvent(kind string, patience time.Duration) (object, bool) {
	if event, ok := s.takeReceived(kind); ok {
		return event, true
	}
	timeout := time.NewTimer(max(patience, time.Millisecond))
	defer timeout.Stop()
	for {
		select {
		case event, ok := <-s.events:
			if !ok {
				return nil, false
			}
			s.early = append(s.early, s.parts(event)...)
			if event, ok := s.takeReceived(kind); ok {
				return event, true
			}
		case <-timeout.C:
			return nil, false
		}
	}
}

func (s *replayStream) takeReceived(kind string) (object, bool) {
	for i, event := range s.early {
		if eventKey(translation{}, event) == kind {
			s.early = append(s.early[:i:i], s.early[i+1:]...)
			return event, true
		}
	}
	return nil, false
}

// parts of an event count one by one.
func (s *replayStream) parts(event object) []object {
	if !s.split {
		return []object{event}
	}
	return split(event)
}

// split takes an event with offers of either kind apart, by agent.
func split(event object) []object {
	for _, kind := range []string{"offers", "inverse_offers"} {
		list, _ := fieldAt(event, kind, kind).([]any)
		var out []object
		for _, o := range list {
			kindAndAgent := fmt.Sprint(event["type"], " ", fieldAt(o, "url", "address", "hostname"))
			out = append(out, object{"type": kindAndAgent, kind: object{kind: []any{o}}})
		}
		if len(out) > 0 {
			return out
		}
	}
	return []object{event}
}
