package termination

import (
	"os/exec"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/k8sm/k8sm/mesos/kubelet/kubelettest"
)

// pods runs a shell script for each pod, and lists the running ones.
type pods struct {
	t    *testing.T
	runs map[string]*exec.Cmd
	done map[string]chan struct{}
}

func run(t *testing.T, scripts map[string]string) *pods {
	t.Helper()
	p := &pods{t, map[string]*exec.Cmd{}, map[string]chan struct{}{}}
	for uid, script := range scripts {
		up := t.TempDir() + "/up"
		cmd := exec.Command("/bin/sh", "-c", script+"; touch "+up+"; while :; do sleep 0.01; done")
		kubelettest.Must(t, cmd.Start())
		done := make(chan struct{})
		go func() { _ = cmd.Wait(); close(done) }()
		t.Cleanup(func() { _ = cmd.Process.Kill(); <-done })
		p.runs[uid], p.done[uid] = cmd, done
		kubelettest.AwaitFile(t, up)
	}
	return p
}

func (p *pods) list() []Container {
	var left []Container
	for uid, cmd := range p.runs {
		select {
		case <-p.done[uid]:
		default:
			left = append(left, Container{PID: cmd.Process.Pid, PodUID: uid})
		}
	}
	return left
}

// uids of the pods that still run.
func (p *pods) uids() []string {
	var uids []string
	for _, c := range p.list() {
		uids = append(uids, c.PodUID)
	}
	slices.Sort(uids)
	return uids
}

const (
	obedient = "trap 'exit 0' TERM"
	stubborn = "trap '' TERM"
)

func TestTerminateEndsEverything(t *testing.T) {
	for name, scripts := range map[string]map[string]string{
		"pods that end at SIGTERM":            {"a": obedient, "b": obedient},
		"a pod that ignores SIGTERM":          {"a": stubborn},
		"an ordinary and a critical pod":      {"a": obedient, "critical": obedient},
		"a critical pod alone":                {"critical": obedient},
		"a critical pod that ignores SIGTERM": {"a": obedient, "critical": stubborn},
		"a container without a pod":           {"": obedient},
	} {
		t.Run(name, func(t *testing.T) {
			p := run(t, scripts)
			deadline := time.Now().Add(900 * time.Millisecond)
			terminator := &Terminator{List: p.list, TimeLeft: func() time.Duration { return time.Until(deadline) }}
			terminator.Terminate(func() map[string]bool { return map[string]bool{"critical": true} })
			for _, done := range p.done {
				select {
				case <-done:
				case <-time.After(5 * time.Second):
					t.Fatalf("still there: %v", p.uids())
				}
			}
		})
	}
}

// A stubborn ordinary pod takes two thirds of the time; then critical pods are asked, with the
// last third left to them.
func TestCriticalPodsGoLast(t *testing.T) {
	p := run(t, map[string]string{"a": stubborn, "critical": obedient})
	left := []time.Duration{30 * time.Second, 30 * time.Second, 15 * time.Second, 10 * time.Second}
	terminator := &Terminator{List: p.list, TimeLeft: func() time.Duration {
		if len(left) > 1 {
			if diff := cmp.Diff([]string{"a", "critical"}, p.uids()); diff != "" {
				t.Errorf("with %s left (-want +got):\n%s", left[0], diff)
			}
			left = left[1:]
		}
		return left[0]
	}}
	terminator.Terminate(func() map[string]bool { return map[string]bool{"critical": true} })
	<-p.done["a"]
	<-p.done["critical"]
}

func TestTerminateWithoutContainersAsksNothing(t *testing.T) {
	terminator := &Terminator{List: func() []Container { return nil }, TimeLeft: func() time.Duration {
		t.Error("the time is asked for")
		return 0
	}}
	terminator.Terminate(func() map[string]bool {
		t.Error("the API server is asked although nothing runs")
		return nil
	})
}
