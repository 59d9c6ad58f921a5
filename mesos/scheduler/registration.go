package scheduler

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// registration is the part of the core that knows as what the master has us.
type registration struct {
	// said is what the last SUBSCRIBE says, or the last UPDATE_FRAMEWORK that was taken.
	said terms
	// update is UPDATE_FRAMEWORK on its way, of which there is one at a time; proposed is
	// what it says.
	update   *Call
	proposed terms
	// declined is what the master would not have on this stream, and why.
	declined *Info
	refusal  string
	// observed is what Kept was told.
	observed string
	// unconstrained: a master refused our offer constraints. We go on without. It is no more
	// than suspected until UPDATE_FRAMEWORK was taken without them.
	unconstrained bool
	suspected     bool
	// repeated are attributes of which some agent has more than one.
	repeated map[string]bool
}

// terms are what SUBSCRIBE and UPDATE_FRAMEWORK replace as a whole. Suppressed roles go
// with them, but change by themselves.
type terms struct {
	info        Info
	constraints string // encoded
}

func (t terms) equal(o terms) bool { return t.constraints == o.constraints && t.info.equal(o.info) }

func (i Info) equal(o Info) bool { return reflect.DeepEqual(i, o) }

func (c *Core) terms() terms {
	t := terms{info: c.info, constraints: c.constraints()}
	t.info.ID = "" // it is the master's to give, and never changes
	return t
}

// UpdateFramework changes as what we are registered: at once where the master is with us, else
// with the next SUBSCRIBE. What the master refuses is not tried again before the next
// subscription; State.Kept tells. The ID stays as it is.
func (c *Core) UpdateFramework(now time.Time, info Info) error {
	info.ID = c.info.ID
	if err := info.validate(); err != nil {
		return fmt.Errorf("changing the registration: %w", err)
	}
	switch {
	case c.phase == ended || c.tearing || (c.declined != nil && c.declined.equal(info)):
		return nil
	case c.declined != nil:
		c.declined, c.refusal = nil, ""
		c.setState(c.state)
	}
	info.Roles = slices.Clone(info.Roles)
	c.assume(now, info)
	c.settle(now)
	return nil
}

// assume takes another registration, and has the master told.
func (c *Core) assume(now time.Time, info Info) {
	info.ID = c.info.ID
	if c.info.equal(info) {
		return
	}
	c.info = info
	c.enrol(now)
	c.inform(now)
}

// inform tells the master what it has not been told. Masters that do not know
// UPDATE_FRAMEWORK are told by another SUBSCRIBE.
func (c *Core) inform(now time.Time) {
	t := c.terms()
	if c.phase != up || c.tearing || c.update != nil || t.equal(c.said) {
		return
	}
	if !atLeast(c.state.MasterVersion, 1, 10) {
		c.drop(now, Connecting, "subscribing again, with other words: this master does not know UPDATE_FRAMEWORK")
		return
	}
	call := c.updateCall(t)
	c.enqueueCall(call)
	c.update, c.proposed = call, t
}

// agreed: the master took UPDATE_FRAMEWORK. More may have changed meanwhile.
func (c *Core) agreed(now time.Time) {
	c.said, c.update, c.suspected = c.proposed, nil, false
	c.inform(now)
}

// disagreed: the master refused UPDATE_FRAMEWORK. Without offer constraints it may take
// it; else we stay what we were.
func (c *Core) disagreed(now time.Time, message string) {
	c.update = nil
	if c.proposed.constraints != "" {
		c.unconstrained, c.suspected = true, true
		c.inform(now)
		return
	}
	if c.suspected {
		c.unconstrained, c.suspected = false, false
	}
	declined := c.info
	c.declined, c.refusal = &declined, message
	c.assume(now, c.said.info)
	c.setState(c.state)
}

// proposeAgain follows SUBSCRIBED: what was refused may be allowed by now.
func (c *Core) proposeAgain(now time.Time) {
	if d := c.declined; d != nil && atLeast(c.state.MasterVersion, 1, 10) {
		c.declined, c.refusal = nil, ""
		c.setState(c.state)
		c.assume(now, *d)
	}
	c.inform(now)
}

// SetDivergence says what the master's own answers show it to keep of an earlier registration;
// empty for nothing. State tells it on.
func (c *Core) SetDivergence(what string) {
	c.observed = what
	c.setState(c.state)
}

func (c *Core) kept() string {
	if c.refusal == "" {
		return c.observed
	}
	refusal := "the registration as it was: " + c.refusal
	if c.observed == "" {
		return refusal
	}
	return fmt.Sprintf("%s; %s", c.observed, refusal)
}

// atLeast says that a master's version ("1.11.1", "1.11.0-0.5") is so high; an unknown
// one is not.
func atLeast(version string, major, minor int) bool {
	parts := strings.SplitN(version, ".", 3)
	if len(parts) < 2 {
		return false
	}
	is, err1 := strconv.Atoi(parts[0])
	has, err2 := strconv.Atoi(parts[1])
	return err1 == nil && err2 == nil && (is > major || (is == major && has >= minor))
}
