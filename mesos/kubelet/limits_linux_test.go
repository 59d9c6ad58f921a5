package kubelet

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/k8sm/k8sm/mesos/kubelet/apiserver/apiservertest"
	"github.com/k8sm/k8sm/mesos/kubelet/cgroup"
	"github.com/k8sm/k8sm/mesos/kubelet/config"
	"github.com/k8sm/k8sm/mesos/kubelet/kubelettest"
	"github.com/k8sm/k8sm/mesos/kubelet/noderuntime"
)

func TestAllocationFollowsTheLimitsOfTheContainer(t *testing.T) {
	launched := config.Allocation{CPUs: 2, MemMiB: 1024, OverheadCPUs: 0.1, OverheadMemMiB: 256}
	before := cgroup.Limits{Memory: 1024 << 20, CPUShares: 2048}
	tests := map[string]struct {
		before, now cgroup.Limits
		cpus, mem   float64
		problem     string
	}{
		"nothing changed":            {before, before, 2, 1024, ""},
		"less memory":                {before, cgroup.Limits{Memory: 700 << 20, CPUShares: 2048}, 2, 700, ""},
		"more memory":                {before, cgroup.Limits{Memory: 1500 << 20, CPUShares: 2048}, 2, 1500, ""},
		"less CPU":                   {before, cgroup.Limits{Memory: 1024 << 20, CPUShares: 1024}, 1, 1024, ""},
		"a part of the executor's":   {cgroup.Limits{Memory: 1056 << 20, CPUShares: 2150}, cgroup.Limits{Memory: 956 << 20, CPUShares: 2150}, 2, 924, ""},
		"the limit was taken away":   {before, cgroup.Limits{CPUShares: 2048}, 2, 1024, ""},
		"there was no limit":         {cgroup.Limits{}, cgroup.Limits{Memory: 700 << 20}, 2, 1024, ""},
		"less than the overhead":     {before, cgroup.Limits{Memory: 256 << 20, CPUShares: 2048}, 2, 256, "to 256 MiB, which is no more than the overhead of 256 MiB"},
		"hardly any CPU":             {before, cgroup.Limits{Memory: 1024 << 20, CPUShares: 2}, 2. * 2 / 2048, 1024, "to 0.00 CPUs"},
		"weight of version 2 halved": {cgroup.Limits{Memory: 1 << 30, CPUShares: 200}, cgroup.Limits{Memory: 1 << 30, CPUShares: 100}, 1, 1024, ""},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			a, problem := allocationWithin(launched, tc.before, tc.now)
			if diff := cmp.Diff([]float64{tc.cpus, tc.mem}, []float64{a.CPUs, a.MemMiB}); diff != "" {
				t.Errorf("CPUs and memory (-want +got):\n%s", diff)
			}
			if (problem == "") != (tc.problem == "") || !strings.Contains(problem, tc.problem) {
				t.Errorf("problem is %q", problem)
			}
		})
	}
}

// limitedRuntime is a runtime whose container has limits that change.
type limitedRuntime struct {
	noderuntime.Fake
	mu     sync.Mutex
	limits cgroup.Limits
	err    error
	pods   config.MemoryBounds
}

func (r *limitedRuntime) set(memory int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.limits.Memory = memory
}

func (r *limitedRuntime) bounds() config.MemoryBounds {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.pods
}

func (r *limitedRuntime) Limits() (cgroup.Limits, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.limits, r.err
}

func (r *limitedRuntime) BoundPods(b config.MemoryBounds) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.pods = b
	return nil
}

// eventually waits up to ten seconds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for range 1000 {
		if holds() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("waited 10 s for: %s", what)
}

// The agent lowers the limit of a container that runs from 2048 to 1400 MiB, and back, and then
// below the overhead.
func TestNodeFollowsTheLimitsOfItsContainer(t *testing.T) {
	c := apiservertest.New(t, time.Now, 0)
	l, n := launchIn(t, c, goodKubelet), testNode(t)
	n.limitsEvery = 5 * time.Millisecond
	message, err := l.Encode()
	kubelettest.Must(t, err)
	r := &limitedRuntime{limits: cgroup.Limits{Memory: 2048 << 20}}
	var mu sync.Mutex
	var last Report
	kubelettest.Must(t, n.read(message, func(now Report) {
		mu.Lock()
		defer mu.Unlock()
		last = now
	}))
	r.Fake = noderuntime.NewFake(n.layout)
	ctx, cancel := context.WithCancel(t.Context())
	kubelettest.Must(t, n.claim())
	n.runtime, n.limits = r, r.limits
	kubelettest.Must(t, n.install(ctx))
	_, err = n.configure()
	kubelettest.Must(t, err, n.startFirstKubelet(ctx))
	defer func() {
		cancel()
		n.Stop(0)
		n.tearDown(func() {})
	}()
	starts := func() int {
		data, _ := os.ReadFile(filepath.Join(n.Sandbox, "kubelet.log"))
		return strings.Count(string(data), "starting with")
	}
	reserved := func() int64 {
		var c struct{ SystemReserved map[string]string }
		data, _ := os.ReadFile(n.layout.KubeletConfig())
		_ = json.Unmarshal(data, &c)
		memory, _ := strconv.ParseInt(c.SystemReserved["memory"], 10, 64)
		return memory
	}
	ready := func() bool { mu.Lock(); defer mu.Unlock(); return last.Ready }
	eventually(t, "the Node to be Ready", func() bool { return ready() && starts() == 1 })
	before := reserved()
	for i, memory := range []int64{1400, 2048} {
		r.set(memory << 20)
		eventually(t, "a kubelet with another reservation", func() bool {
			return starts() == i+2 && reserved() == before+(2048-memory)<<20
		})
	}
	r.set(100 << 20)
	eventually(t, "a report", func() bool { mu.Lock(); defer mu.Unlock(); return strings.Contains(last.Message, "raise the limit") })
	r.set(2048 << 20)
	eventually(t, "the problem to be over", func() bool { mu.Lock(); defer mu.Unlock(); return last.Message == "" })
	if starts() != 3 || reserved() != before {
		t.Errorf("%d kubelets, %d bytes reserved, %d before", starts(), reserved(), before)
	}
}

// Pods are bounded at once, also while the kubelet can't be exchanged.
func TestPodsAreBoundedBeforeTheKubeletIsStartedAnew(t *testing.T) {
	n := testNode(t)
	n.spec, n.health = kubelettest.LaunchSpec(), newHealth(func(Report) {})
	n.layout.Dir = t.TempDir()
	r := &limitedRuntime{limits: cgroup.Limits{Memory: 2048 << 20}}
	n.runtime, n.limits = r, r.limits
	launched, _, err := n.reservation(n.allocation())
	kubelettest.Must(t, err)
	f := limitFollower{node: n, reservation: launched, allocation: n.allocation()}
	f.follow()
	if r.bounds() != launched.Pods || len(n.reservations) > 0 {
		t.Errorf("without a change: bounds %+v, %d changes", r.bounds(), len(n.reservations))
	}
	for _, memory := range []int64{1500, 1400} { // nobody takes the first change
		r.set(memory << 20)
		f.follow()
		if want := launched.Pods.Max - (2048-memory)<<20; r.bounds().Max != want {
			t.Errorf("at %d MiB pods may use %d bytes, want %d", memory, r.bounds().Max, want)
		}
	}
	f.reservation.PIDsPerPod++ // something else changed meanwhile
	f.follow()
	if change := <-n.reservations; !change.restart || change.reservation.Pods != r.bounds() {
		t.Errorf("the change is %+v", change)
	}
	f.reservation.PIDsPerPod++
	f.follow()
	if change := <-n.reservations; change.restart {
		t.Error("the kubelet is started anew for what the agent did not change")
	}
	r.err = errors.New("broken")
	f.follow()
	if f.failure != "broken" {
		t.Errorf("failure is %q", f.failure)
	}
}
