package demands

import (
	"time"

	"github.com/k8sm/k8sm/mesos/scheduler/timers"
)

// GroupBackoff has the demands of a group wait after a launch could not be prepared. Use
// NewGroupBackoff. It is not safe for concurrent use.
type GroupBackoff struct {
	delay  timers.Backoff
	timers *timers.Queue
	groups map[string]*failedGroup
}

type failedGroup struct {
	role     string
	message  string
	failures int
	until    time.Time
}

// NewGroupBackoff returns a back-off in which no group waits. It sets the timer RetryGroup,
// with the group as its key.
func NewGroupBackoff(delay timers.Backoff, q *timers.Queue) *GroupBackoff {
	return &GroupBackoff{delay: delay, timers: q, groups: map[string]*failedGroup{}}
}

// Failed notes that a launch of the group could not be prepared.
func (b *GroupBackoff) Failed(now time.Time, group, role, message string) {
	g := b.groups[group]
	if g == nil {
		g = &failedGroup{}
		b.groups[group] = g
	}
	g.role, g.message = role, message
	if now.Before(g.until) {
		return // failures that come together count as one
	}
	g.until = now.Add(b.delay.After(g.failures))
	g.failures++
	b.timers.Set(timers.RetryGroup, group, g.until)
}

// Succeeded forgets the failures of a group.
func (b *GroupBackoff) Succeeded(group string) { delete(b.groups, group) }

// Blocks reports whether a group has to wait.
func (b *GroupBackoff) Blocks(now time.Time, group string) bool {
	g := b.groups[group]
	return g != nil && now.Before(g.until)
}

// Message returns why the last launch of a group failed; false if it did not.
func (b *GroupBackoff) Message(group string) (string, bool) {
	g := b.groups[group]
	if g == nil {
		return "", false
	}
	return g.message, true
}

// Role returns the role of the last demand of a group that failed; false if none did.
func (b *GroupBackoff) Role(group string) (string, bool) {
	g := b.groups[group]
	if g == nil {
		return "", false
	}
	return g.role, true
}
