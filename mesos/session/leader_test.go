package session

import (
	"errors"
	"testing"
	"time"

	"github.com/k8sm/k8sm/mesos/detector"
	"github.com/k8sm/k8sm/mesos/scheduler"
	"github.com/k8sm/k8sm/mesos/session/failure"
)

func TestLeaderTracker(t *testing.T) {
	t.Parallel()
	first, second := detector.Master{IP: "10.0.0.1", Port: 5050}, detector.Master{IP: "10.0.0.2", Port: 5050}
	away := errors.New("ZooKeeper is away")
	ensemble, err := detector.ParseEnsemble("zk://user:hunter2@a:2181/mesos")
	if err != nil {
		t.Fatal(err)
	}
	l := newLeaderTracker()
	select {
	case <-l.hasFinding:
		t.Fatal("something was found before anything was recorded")
	default:
	}
	for _, step := range []struct {
		what    string
		finding detector.Finding
		isNew   bool
		master  detector.Master
		reason  scheduler.StateReason
		message string
	}{
		{"ZooKeeper has never answered", detector.Finding{Err: away}, false, detector.Master{}, scheduler.MasterUnreachable, "ZooKeeper is away"},
		{"no master leads", detector.Finding{}, false, detector.Master{}, scheduler.NoLeader, "no master leads, says ZooKeeper at zk://a:2181/mesos"},
		{"the first master leads", detector.Finding{Master: first}, true, first, "", ""},
		{"the first master still leads", detector.Finding{Master: first}, false, first, "", ""},
		{"the first master is kept while ZooKeeper does not answer", detector.Finding{Err: away}, false, first, "", ""},
		{"the first master still leads when ZooKeeper answers again", detector.Finding{Master: first}, false, first, "", ""},
		{"the second master leads", detector.Finding{Master: second}, true, second, "", ""},
		{"the second master has gone", detector.Finding{}, false, detector.Master{}, scheduler.NoLeader, "no master leads, says ZooKeeper at zk://a:2181/mesos"},
		{"the second master is back", detector.Finding{Master: second}, true, second, "", ""},
	} {
		if got := l.record(step.finding); got != step.isNew {
			t.Errorf("%s: it is news: %v", step.what, got)
		}
		master, err := l.master(&ensemble)
		if master != step.master || (err == nil) != (step.reason == "") {
			t.Errorf("%s: the master is %+v, %v", step.what, master, err)
		}
		if f := (*failure.Failure)(nil); err != nil && (!errors.As(err, &f) || f.Reason != step.reason || f.Message != step.message) {
			t.Errorf("%s: the failure is %v", step.what, err)
		}
	}
	<-l.hasFinding
}

// A master that takes a second to answer is asked every 20 s, so that it spends at most a
// twentieth of its time on answers.
func TestSurveyPace(t *testing.T) {
	t.Parallel()
	asked := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	refused := errors.New("403 not for you")
	for name, tc := range map[string]struct {
		took time.Duration
		err  error
		next time.Duration
	}{
		"an answer at once":             {0, nil, 10 * time.Second},
		"an answer after half a second": {500 * time.Millisecond, nil, 10 * time.Second},
		"an answer after a second":      {time.Second, nil, 20 * time.Second},
		"no answer within a minute":     {time.Minute, nil, 20 * time.Minute},
		"a refusal at once":             {0, refused, 10 * time.Second},
		"a refusal until the timeout":   {3 * time.Second, refused, time.Minute},
	} {
		a := newAgentSurvey()
		a.finish(asked, tc.took, tc.err)
		if got := a.next.Sub(asked); got != tc.next || !errors.Is(a.err, tc.err) {
			t.Errorf("%s: the next survey may begin after %s, with %v", name, got, a.err)
		}
	}
}
