package scheduler_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	mesos "github.com/mesos/mesos-go/api/v1/lib"
	schedulerpb "github.com/mesos/mesos-go/api/v1/lib/scheduler"

	"github.com/k8sm/k8sm/mesos/scheduler"
)

var rewrite = flag.Bool("rewrite", false, "write the transcripts in testdata anew from what the core does; read the difference")

// TestTranscripts plays testdata/*.txt. A line that begins with "> " is an input, the
// lines below it are what the core asks for in answer, each with its time. Lines that
// begin with "#" are for the reader.
func TestTranscripts(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no transcripts: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := play(t, string(text))
			if *rewrite {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(strings.Split(string(text), "\n"), strings.Split(got, "\n")); diff != "" {
				t.Errorf("%s (-want +got):\n%s", file, diff)
			}
		})
	}
}

// play keeps the comments and inputs of a transcript, and writes the answers anew.
func play(t *testing.T, text string) string {
	t.Helper()
	p := &player{}
	var out strings.Builder
	for n, line := range strings.Split(strings.TrimRight(text, "\n"), "\n") {
		switch {
		case strings.HasPrefix(line, "> "):
			p.log = nil
			if err := p.do(strings.Fields(line[2:])); err != nil {
				t.Fatalf("line %d: %s: %v", n+1, line, err)
			}
			fmt.Fprintln(&out, line)
			for _, l := range p.log {
				fmt.Fprintln(&out, l)
			}
		case line == "" || strings.HasPrefix(line, "#"):
			fmt.Fprintln(&out, line)
		}
	}
	return out.String()
}

// drain writes down what the core asks for, and answers what the input auto names.
func (p *player) drain() {
	for p.core.HasReady() {
		r := p.core.Ready()
		if r.Disconnect {
			p.logf("close the stream")
		}
		if r.StoreID != "" {
			p.logf("store framework ID %s", r.StoreID)
		}
		if r.Subscribe != nil {
			p.logf("%s", callText(r.Subscribe))
		}
		for _, in := range r.Intents {
			p.logf("prepare %s on %s (%s) ports=%v", in.TaskID, in.AgentID, in.Hostname, in.Ports)
		}
		for _, st := range r.Statuses {
			p.logf("record %s", statusText(st))
		}
		for _, c := range r.Calls {
			p.logf("%s", callText(c))
			p.sent[c.Type] = c
		}
		if r.Changed {
			p.logState()
		}
		p.core.Advance()
		p.answer(r)
	}
}

// logState writes what changed: the state, or else some explanation.
func (p *player) logState() {
	s, before := p.core.State(), p.last
	p.last = s
	if s.AgentFailures != before.AgentFailures {
		for _, f := range p.core.AgentFailures() {
			p.logf("failures of %s until %s %s", f.AgentID, f.Until.Sub(epoch).Round(time.Millisecond), &f)
		}
		before.AgentFailures = s.AgentFailures
		if s == before {
			return
		}
	}
	if s == before {
		p.logf("changed")
		return
	}
	divergence := ""
	if s.Divergence != "" {
		divergence = fmt.Sprintf(" divergence=%q", s.Divergence)
	}
	p.logf("state %s subscribed=%v reconciled=%v final=%v %q%s", s.Reason, s.Subscribed, s.Reconciled, s.Final, s.Message, divergence)
}

func (p *player) answer(r scheduler.Ready) {
	if r.StoreID != "" && p.auto["store"] {
		p.core.IDStored(p.now, nil)
	}
	for _, in := range r.Intents {
		if p.auto["prepare"] {
			p.core.Prepared(p.now, in.TaskID, payload, nil)
		}
	}
	for _, st := range r.Statuses {
		if p.auto["record"] {
			p.core.Recorded(p.now, st.TaskID, nil)
		}
	}
}

func statusText(st scheduler.TaskStatus) string {
	s := fmt.Sprintf("%s@%s %s", st.TaskID, st.AgentID, st.State)
	for _, w := range []string{st.Source, st.Reason} {
		if w != "" {
			s += " " + w
		}
	}
	if len(st.UUID) > 0 {
		s += " uuid=" + string(st.UUID)
	}
	if st.Message != "" {
		s += fmt.Sprintf(" %q", st.Message)
	}
	if st.IsForeign {
		s += " foreign"
	}
	return s
}

func callText(c *scheduler.Call) string {
	words := []string{c.Type.String()}
	add := func(format string, args ...any) { words = append(words, fmt.Sprintf(format, args...)) }
	switch c.Type {
	case schedulerpb.Call_SUBSCRIBE:
		add("id=%s/%s suppressed=%v", c.GetFrameworkID().GetValue(), c.Subscribe.FrameworkInfo.GetID().GetValue(), c.Subscribe.SuppressedRoles)
		add("%s", constraintsText(c))
	case schedulerpb.Call_UPDATE_FRAMEWORK:
		info := c.UpdateFramework.FrameworkInfo
		add("id=%s/%s roles=%v hostname=%s suppressed=%v", c.GetFrameworkID().GetValue(), info.GetID().GetValue(), info.Roles, info.GetHostname(), c.UpdateFramework.SuppressedRoles)
		add("%s", constraintsText(c))
	case schedulerpb.Call_ACCEPT:
		for _, id := range c.Accept.OfferIDs {
			add("%s", id.Value)
		}
		add("refuse=%gs", c.Accept.Filters.GetRefuseSeconds())
		for _, ti := range c.Accept.Operations[0].Launch.TaskInfos {
			add("launch %s@%s task=%v executor=%v", ti.TaskID.Value, ti.AgentID.Value, mesos.Resources(ti.Resources), mesos.Resources(ti.Executor.Resources))
		}
	case schedulerpb.Call_DECLINE:
		for _, id := range c.Decline.OfferIDs {
			add("%s", id.Value)
		}
		add("refuse=%gs", c.Decline.Filters.GetRefuseSeconds())
	case schedulerpb.Call_ACCEPT_INVERSE_OFFERS:
		for _, id := range c.AcceptInverseOffers.InverseOfferIDs {
			add("%s", id.Value)
		}
		add("refuse=%gs", c.AcceptInverseOffers.Filters.GetRefuseSeconds())
	case schedulerpb.Call_REVIVE:
		add("%v", c.Revive.Roles)
	case schedulerpb.Call_SUPPRESS:
		add("%v", c.Suppress.Roles)
	case schedulerpb.Call_KILL:
		add("%s@%s", c.Kill.TaskID.Value, c.Kill.AgentID.GetValue())
	case schedulerpb.Call_SHUTDOWN:
		add("%s@%s", c.Shutdown.ExecutorID.Value, c.Shutdown.AgentID.Value)
	case schedulerpb.Call_ACKNOWLEDGE:
		add("%s@%s uuid=%s", c.Acknowledge.TaskID.Value, c.Acknowledge.AgentID.Value, c.Acknowledge.UUID)
	case schedulerpb.Call_RECONCILE:
		if len(c.Reconcile.Tasks) == 0 {
			add("implicitly")
		}
		for _, rt := range c.Reconcile.Tasks {
			add("%s@%s", rt.TaskID.Value, rt.AgentID.GetValue())
		}
	}
	return strings.TrimRight(strings.Join(words, " "), " ")
}

func ptr[T any](x T) *T { return &x }
