package noderuntime

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/k8sm/k8sm/mesos/kubelet/config"
	"github.com/k8sm/k8sm/mesos/kubelet/layout"
	"github.com/k8sm/k8sm/mesos/kubelet/sweep"
)

func TestFakeChangesNothingOutsideTheNodeFolder(t *testing.T) {
	var runtime Runtime = NewFake(layout.Of("/state", "n1"))
	r := sweep.Record{NodeName: "n1"}
	runtime.Describe(&r)
	if diff := cmp.Diff(sweep.Record{NodeName: "n1"}, r); diff != "" {
		t.Errorf("record (-want +got):\n%s", diff)
	}
	if err := runtime.Isolate(t.Context(), 1, 1); err != nil {
		t.Error(err)
	}
	want := config.Runtime{RootDir: "/state/n1/kubelet", PodLogs: "/state/n1/log/pods"}
	if diff := cmp.Diff(want, runtime.Settings()); diff != "" {
		t.Errorf("settings (-want +got):\n%s", diff)
	}
	if args, err := runtime.Configure(); len(args) > 0 || err != nil {
		t.Errorf("a containerd is to be started: %v, %v", args, err)
	}
	if running := runtime.Containers(); len(running) > 0 {
		t.Errorf("containers %v", running)
	}
	runtime.Maintain(context.Background(), func(err error) { t.Error(err) }) // returns at once
}

func TestFakePassesOnErrors(t *testing.T) {
	f, broken := NewFake(layout.Of("/state", "n1")), errors.New("broken")
	for name, call := range map[string]func(func() error) error{"StartKubelet": f.StartKubelet, "Clear": f.Clear} {
		called := 0
		err := call(func() error { called++; return broken })
		if !errors.Is(err, broken) || called != 1 {
			t.Errorf("%s called %d times, error %v", name, called, err)
		}
	}
}

func TestRealContainersNeedAMesosContainer(t *testing.T) {
	l := layout.Of(t.TempDir(), "n1")
	for name, make := range map[string]func() (Runtime, error){
		"own containerd":  func() (Runtime, error) { return NewOwnContainerd("no-such-container", l, config.Containerd{}) },
		"host containerd": func() (Runtime, error) { return NewHostContainerd("no-such-container", l, "/no/such/socket") },
	} {
		t.Run(name, func(t *testing.T) {
			runtime, err := make()
			if runtime != nil || err == nil {
				t.Fatalf("runtime %v, error %v", runtime, err)
			}
			if !strings.Contains(err.Error(), "no-such-container") && !strings.Contains(err.Error(), "need Linux") {
				t.Errorf("the error does not help: %v", err)
			}
		})
	}
}
