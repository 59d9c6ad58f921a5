package scheduling

import (
	"context"
	"errors"
	"fmt"
	"sync"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/util/workqueue"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/apis/config"
	"k8s.io/kubernetes/pkg/scheduler/apis/config/latest"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins/names"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins/nodevolumelimits"
	schedulerruntime "k8s.io/kubernetes/pkg/scheduler/framework/runtime"
	"k8s.io/kubernetes/pkg/scheduler/metrics"
)

// registerMetrics registers the scheduler's own metrics. The plugins count in them, and crash
// if they are not registered.
var registerMetrics = sync.OnceFunc(metrics.Register)

// plugin is one of the filters of the scheduler's default profile.
type plugin struct {
	name       string
	filter     fwk.FilterPlugin
	preFilter  fwk.PreFilterPlugin                  // nil if it has none
	key        func(classKey, *corev1.Pod) classKey // nil if the plugin is asked about each pod anew
	cacheByKey map[string]*filterCache              // one for each equivalence class
	caches     []*filterCache                       // the same, oldest first

	// nodeLocal: its answer depends only on the node and its pods. A pod that comes can only
	// turn acceptance into rejection, one that goes only the reverse.
	nodeLocal bool
	// clusterWide: its answer depends on pods of other nodes, so that a tracker updates its
	// caches.
	clusterWide bool
}

// keyOf appends what the plugin looks at in a pod. It returns nil if the plugin is asked about
// each pod anew.
func (p *plugin) keyOf(k classKey, pod *corev1.Pod) classKey {
	if p.key == nil {
		return nil
	}
	return p.key(k, pod)
}

// newPlugins returns the filters of the kube-scheduler's default profile, in its order. They
// read nodes and pods from the lister and everything else from the objects.
func newPlugins(snapshot fwk.SharedLister, objects informers.SharedInformerFactory) ([]*plugin, error) {
	registerMetrics()
	profile, err := defaultProfile()
	if err != nil {
		return nil, err
	}
	// The framework never runs the plugins. Ending its context ends the goroutine that would
	// record how long they take.
	ended, end := context.WithCancel(context.Background())
	end()
	registry, made := recordingRegistry(plugins.NewInTreeRegistry())
	framework, err := schedulerruntime.NewFramework(ended, registry, profile,
		schedulerruntime.WithSnapshotSharedLister(snapshot),
		schedulerruntime.WithInformerFactory(objects),
		schedulerruntime.WithSharedCSIManager(nodevolumelimits.NewCSIManager(objects.Storage().V1().CSINodes().Lister())),
		schedulerruntime.WithSharedDRAManager(noDevices{}),
	)
	if err != nil {
		return nil, fmt.Errorf("assembling the scheduler's plugins: %w", err)
	}
	var filters []*plugin
	for _, enabled := range framework.ListPlugins().Filter.Enabled {
		if enabled.Name == names.NodeName {
			continue // queries treat pods as if they were on no node
		}
		p := &plugin{name: enabled.Name, key: classKeyFuncs[enabled.Name]}
		p.nodeLocal = p.name == names.NodeResourcesFit || p.name == names.NodePorts
		p.clusterWide = p.name == names.PodTopologySpread || p.name == names.InterPodAffinity
		p.filter = made[p.name].(fwk.FilterPlugin)
		p.preFilter, _ = made[p.name].(fwk.PreFilterPlugin)
		filters = append(filters, p)
	}
	return filters, nil
}

// recordingRegistry returns a registry that notes each plugin that is made from it. The
// scheduler's framework runs plugins but does not hand them out.
func recordingRegistry(registry schedulerruntime.Registry) (schedulerruntime.Registry, map[string]fwk.Plugin) {
	made := map[string]fwk.Plugin{}
	for name, factory := range registry {
		registry[name] = func(ctx context.Context, args runtime.Object, handle fwk.Handle) (fwk.Plugin, error) {
			p, err := factory(ctx, args, serialHandle{handle})
			made[name] = p
			return p, err
		}
	}
	return registry, made
}

// serialHandle makes plugins do their work in the goroutine that calls them.
type serialHandle struct{ fwk.Handle }

func (serialHandle) Parallelizer() fwk.Parallelizer { return serialParallelizer{} }

type serialParallelizer struct{}

func (serialParallelizer) Until(_ context.Context, pieces int, do workqueue.DoWorkPieceFunc, _ string) {
	for i := range pieces {
		do(i)
	}
}

func defaultProfile() (*config.KubeSchedulerProfile, error) {
	configuration, err := latest.Default()
	if err != nil {
		return nil, fmt.Errorf("reading the scheduler's default configuration: %w", err)
	}
	if len(configuration.Profiles) != 1 {
		return nil, errors.New("reading the scheduler's default configuration: it does not have exactly one profile")
	}
	return &configuration.Profiles[0], nil
}
