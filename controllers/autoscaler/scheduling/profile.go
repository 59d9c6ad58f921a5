package scheduling

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"k8s.io/client-go/informers"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/apis/config"
	"k8s.io/kubernetes/pkg/scheduler/apis/config/latest"
	"k8s.io/kubernetes/pkg/scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins/nodevolumelimits"
	schedulerruntime "k8s.io/kubernetes/pkg/scheduler/framework/runtime"
	"k8s.io/kubernetes/pkg/scheduler/metrics"
)

// registerMetrics: the plugins count what they do in the scheduler's own metrics, and crash
// where those are not there.
var registerMetrics = sync.OnceFunc(metrics.Register)

// newFramework is the default profile of the kube-scheduler, over this snapshot and these
// objects. It runs nothing: the context only ends the goroutine that would record the
// durations of plugins.
func newFramework(snapshot fwk.SharedLister, objects informers.SharedInformerFactory) (framework.Framework, error) {
	registerMetrics()
	profile, err := defaultProfile()
	if err != nil {
		return nil, err
	}
	ended, end := context.WithCancel(context.Background())
	end()
	f, err := schedulerruntime.NewFramework(ended, plugins.NewInTreeRegistry(), profile,
		schedulerruntime.WithSnapshotSharedLister(snapshot),
		schedulerruntime.WithInformerFactory(objects),
		schedulerruntime.WithSharedCSIManager(nodevolumelimits.NewCSIManager(objects.Storage().V1().CSINodes().Lister())),
		schedulerruntime.WithSharedDRAManager(noDevices{}),
		schedulerruntime.WithParallelism(1),
	)
	if err != nil {
		return nil, fmt.Errorf("assembling the scheduler's plugins: %w", err)
	}
	return f, nil
}

func defaultProfile() (*config.KubeSchedulerProfile, error) {
	configuration, err := latest.Default()
	if err != nil {
		return nil, fmt.Errorf("reading the scheduler's default configuration: %w", err)
	}
	if len(configuration.Profiles) != 1 {
		return nil, errors.New("reading the scheduler's default configuration: it has not one profile")
	}
	return &configuration.Profiles[0], nil
}
