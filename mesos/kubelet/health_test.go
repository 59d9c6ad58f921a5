package kubelet

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/k8sm/k8sm/mesos/nodeapi"
)

// recorded is a health whose reports are collected.
func recorded() (*health, *[]Report) {
	reports := new([]Report)
	return newHealth(func(r Report) { *reports = append(*reports, r) }), reports
}

func TestHealthIsReportedWhenItChanges(t *testing.T) {
	upgrade := nodeapi.Upgrade{SHA256: "b", Message: "fetching"}
	tests := map[string]struct {
		changes func(*health)
		want    []Report
	}{
		"without changes there is no report": {func(*health) {}, nil},
		"an equal step is reported once": {func(h *health) {
			h.setStep("fetching")
			h.setStep("fetching")
			h.setStep("waiting")
		}, []Report{{Message: "fetching"}, {Message: "waiting"}}},
		"a problem is reported with the step until it is gone": {func(h *health) {
			h.setStep("starting")
			h.setProblem("kubelet", "kubelet ended (exit status 1) and is started again after 1ms")
			h.setProblem("kubelet", "")
		}, []Report{
			{Message: "starting"},
			{Message: "starting; kubelet ended (exit status 1) and is started again after 1ms"},
			{Message: "starting"},
		}},
		"problems are sorted by the programs' names": {func(h *health) {
			h.setProblem("kubelet", "k")
			h.setProblem("containerd", "c")
		}, []Report{{Message: "k"}, {Message: "c; k"}}},
		"the end of an unknown problem is not reported": {func(h *health) { h.setProblem("kubelet", "") }, nil},
		"Ready ends the step and keeps the problems": {func(h *health) {
			h.setStep("waiting")
			h.setProblem("kubelet", "k")
			h.setReady("a")
		}, []Report{{Message: "waiting"}, {Message: "waiting; k"}, {Ready: true, Message: "k", Status: nodeapi.NodeStatus{Kubelet: "a"}}}},
		"an upgrade that succeeds": {func(h *health) {
			h.setReady("a")
			h.setUpgrade(upgrade)
			h.setKubelet("b")
		}, []Report{
			{Ready: true, Status: nodeapi.NodeStatus{Kubelet: "a"}},
			{Ready: true, Status: nodeapi.NodeStatus{Kubelet: "a", Upgrade: upgrade}},
			{Ready: true, Status: nodeapi.NodeStatus{Kubelet: "b"}},
		}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			h, reports := recorded()
			tc.changes(h)
			if diff := cmp.Diff(tc.want, *reports); diff != "" {
				t.Errorf("reports (-want +got):\n%s", diff)
			}
		})
	}
}

func TestHealthHoldsTheNodeStatus(t *testing.T) {
	h, _ := recorded()
	if h.wasReady() || h.nodeStatus() != (nodeapi.NodeStatus{}) {
		t.Error("a node that has not begun was Ready")
	}
	h.setReady("a")
	h.setUpgrade(nodeapi.Upgrade{SHA256: "b"})
	if want := (nodeapi.NodeStatus{Kubelet: "a", Upgrade: nodeapi.Upgrade{SHA256: "b"}}); !h.wasReady() || h.nodeStatus() != want {
		t.Errorf("status is %+v", h.nodeStatus())
	}
}

// Reports must not overtake each other, whoever makes the change.
func TestReportsAreSequential(t *testing.T) {
	h, reports := recorded()
	var changes sync.WaitGroup
	for _, program := range []string{"a", "b", "c", "d"} {
		changes.Go(func() {
			for range 50 {
				h.setProblem(program, "it ended")
				h.setProblem(program, "")
			}
		})
	}
	changes.Wait()
	if last := (*reports)[len(*reports)-1]; last != (Report{}) {
		t.Errorf("the last report is %+v, although all is well", last)
	}
}

func TestThrottle(t *testing.T) {
	clock := time.Unix(0, 0)
	n := NewNode(Options{Now: func() time.Time { return clock }})
	var got []string
	report := n.throttle(func(step string) { got = append(got, step) })
	for _, step := range []struct {
		after time.Duration
		text  string
	}{
		{0, "at once"}, {9 * time.Second, "still early"}, {time.Second, "it takes long"}, {time.Second, "too soon after that"}, {9 * time.Second, "again"},
	} {
		clock = clock.Add(step.after)
		report(step.text)
	}
	if diff := cmp.Diff([]string{"it takes long", "again"}, got); diff != "" {
		t.Errorf("reported (-want +got):\n%s", diff)
	}
}

// Of several stops the one with the nearest deadline counts, and time passes.
func TestDeadlineMovesNearerOnly(t *testing.T) {
	clock := time.Unix(0, 0)
	n := NewNode(Options{Now: func() time.Time { return clock }})
	n.spec = &nodeapi.LaunchSpec{KillGraceSeconds: 30}
	for _, step := range []struct {
		grace time.Duration
		want  time.Duration
	}{
		{-1, 30 * time.Second}, {time.Minute, 30 * time.Second}, {10 * time.Second, 10 * time.Second}, {-1, 10 * time.Second}, {0, 0}, {time.Hour, 0},
	} {
		n.Stop(step.grace)
		if got := n.timeLeft(); got != step.want {
			t.Errorf("after a stop with %s there are %s left, want %s", step.grace, got, step.want)
		}
	}
	clock = clock.Add(time.Second)
	if got := n.timeLeft(); got != -time.Second {
		t.Errorf("a second later %s are left", got)
	}
	ctx, cancel := n.untilStopped()
	defer cancel()
	select {
	case <-ctx.Done():
	case <-time.After(5 * time.Second):
		t.Error("a stopped node goes on")
	}
	if err := n.wait(); err != nil {
		t.Error(err)
	}
}

func TestStopWithoutALaunchMessage(t *testing.T) {
	n := NewNode(Options{Now: func() time.Time { return time.Unix(7, 0) }})
	n.Stop(-1)
	if got := n.timeLeft(); got != 0 {
		t.Errorf("%s are left", got)
	}
}

// A program that cannot be kept running ends the wait for containerd's socket.
func TestAwaitSocketEndsWithAFailure(t *testing.T) {
	n := NewNode(Options{Now: time.Now})
	n.failed <- context.DeadlineExceeded
	if err := n.awaitSocket(t.Context(), t.TempDir()+"/none"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error is %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := n.awaitSocket(ctx, t.TempDir()+"/none"); !errors.Is(err, context.Canceled) {
		t.Errorf("error is %v", err)
	}
}
