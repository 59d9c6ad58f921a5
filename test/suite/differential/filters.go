package differential

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/apis/config"
	"k8s.io/kubernetes/pkg/scheduler/apis/config/latest"
	"k8s.io/kubernetes/pkg/scheduler/backend/cache"
	"k8s.io/kubernetes/pkg/scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins/names"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins/nodevolumelimits"
	schedulerruntime "k8s.io/kubernetes/pkg/scheduler/framework/runtime"
	"k8s.io/kubernetes/pkg/scheduler/metrics"
)

// Compare runs a scenario without an API server: it compares the simulation with the scheduler's
// filters in this process, which get a new snapshot for each pod. So it compares every node, and
// thousands of scenarios take seconds. It does not cover what the API server does to pods, nor
// volumes that are bound on the way.
func Compare(ctx context.Context, scenario *Scenario) (tally Tally, err error) {
	t, err := (&ControlPlane{}).newTrial(scenario)
	if err != nil {
		return tally, err
	}
	ended, end := context.WithCancel(ctx)
	end() // nothing is run but what is called
	f, err := newFilters(ended)
	if err != nil {
		return tally, err
	}
	if err := t.loadBoth(f); err != nil {
		return tally, err
	}
	for _, arrival := range scenario.Arrivals {
		pod := arrival.Pod
		pod.UID, pod.Spec.SchedulingGates = types.UID(pod.Name), nil
		t.arrived = append(t.arrived, pod)
		verdicts, want := t.fits(pod), f.fits(ctx, pod)
		for _, node := range scenario.Nodes {
			if (verdicts[node.Name] == "") != (want[node.Name] == "") {
				return t.tally, t.disagreement(fmt.Sprintf("pod %s on node %s: the simulation returns %q, the filters return %q; empty where it fits",
					pod.Name, node.Name, verdicts[node.Name], want[node.Name]))
			}
		}
		if err := t.checkPlace(verdicts, pod); err != nil {
			return t.tally, err
		}
		i := slices.IndexFunc(arrival.Order, func(node string) bool { return want[node] == "" })
		if i < 0 {
			t.tally.Refused++
			continue
		}
		t.tally.Bound++
		t.placed = append(t.placed, pod.Name+": "+arrival.Order[i])
		placed := pod.DeepCopy()
		placed.Spec.NodeName = arrival.Order[i]
		f.pods = append(f.pods, placed)
		if err := t.cluster.AddPod(placed); err != nil {
			return t.tally, err
		}
	}
	return t.tally, nil
}

// loadBoth gives the existing objects to the simulation and to the filters.
func (t *trial) loadBoth(f *filters) error {
	s, objects := t.scenario, []runtime.Object{}
	for _, o := range s.Volumes {
		if o.Spec.ClaimRef == nil {
			o.Status.Phase = corev1.VolumeAvailable
		}
		objects = append(objects, o)
	}
	objects = append(append(append(append(objects, runtimeObjects(s.Namespaces)...), runtimeObjects(s.Classes)...), runtimeObjects(s.Claims)...), runtimeObjects(s.CSINodes)...)
	for _, o := range objects {
		if err := errors.Join(t.cluster.SetObject(o), f.set(o)); err != nil {
			return err
		}
	}
	f.nodes = s.Nodes
	for _, node := range s.Nodes {
		t.cluster.AddNode(node)
	}
	for _, pod := range s.Existing {
		pod.UID = types.UID(pod.Name)
		f.pods = append(f.pods, pod)
		if err := t.cluster.AddPod(pod); err != nil {
			return err
		}
	}
	return nil
}

func runtimeObjects[T runtime.Object](objects []T) []runtime.Object {
	all := make([]runtime.Object, len(objects))
	for i, o := range objects {
		all[i] = o
	}
	return all
}

// filters are the filters of the scheduler's default profile, without devices, which the pods here do not
// request.
type filters struct {
	framework framework.Framework
	snapshot  *current
	objects   informers.SharedInformerFactory
	nodes     []*corev1.Node
	pods      []*corev1.Pod
}

// current is the snapshot that the filters use.
type current struct{ fwk.SharedLister }

var registerMetrics = sync.OnceFunc(metrics.Register)

func newFilters(ctx context.Context) (*filters, error) {
	registerMetrics()
	configuration, err := latest.Default()
	if err != nil {
		return nil, fmt.Errorf("reading the scheduler's default configuration: %w", err)
	}
	profile := &configuration.Profiles[0]
	profile.Plugins.MultiPoint.Enabled = slices.DeleteFunc(profile.Plugins.MultiPoint.Enabled, func(p config.Plugin) bool { return p.Name == names.DynamicResources })
	f := &filters{snapshot: &current{cache.NewEmptySnapshot()}, objects: informers.NewSharedInformerFactory(nil, 0)}
	f.framework, err = schedulerruntime.NewFramework(ctx, plugins.NewInTreeRegistry(), profile,
		schedulerruntime.WithSnapshotSharedLister(f.snapshot), schedulerruntime.WithInformerFactory(f.objects),
		schedulerruntime.WithSharedCSIManager(nodevolumelimits.NewCSIManager(f.objects.Storage().V1().CSINodes().Lister())))
	if err != nil {
		return nil, fmt.Errorf("assembling the scheduler's filters: %w", err)
	}
	return f, nil
}

func (f *filters) set(object runtime.Object) error {
	core, storage := f.objects.Core().V1(), f.objects.Storage().V1()
	switch object.(type) {
	case *corev1.Namespace:
		return core.Namespaces().Informer().GetIndexer().Add(object)
	case *corev1.PersistentVolume:
		return core.PersistentVolumes().Informer().GetIndexer().Add(object)
	case *corev1.PersistentVolumeClaim:
		return core.PersistentVolumeClaims().Informer().GetIndexer().Add(object)
	case *storagev1.StorageClass:
		return storage.StorageClasses().Informer().GetIndexer().Add(object)
	case *storagev1.CSINode:
		return storage.CSINodes().Informer().GetIndexer().Add(object)
	}
	return fmt.Errorf("no filter looks at %T", object)
}

// fits returns by node why the filters refuse the pod, "" where it fits.
func (f *filters) fits(ctx context.Context, pod *corev1.Pod) map[string]string {
	f.snapshot.SharedLister = cache.NewSnapshot(f.pods, f.nodes)
	state, verdicts := framework.NewCycleState(), map[string]string{}
	result, status, _ := f.framework.RunPreFilterPlugins(ctx, state, pod)
	for _, node := range f.nodes {
		info, err := f.snapshot.NodeInfos().Get(node.Name)
		switch {
		case err != nil:
			verdicts[node.Name] = err.Error()
		case !status.IsSuccess():
			verdicts[node.Name] = status.Message()
		case !result.AllNodes() && !result.NodeNames.Has(node.Name):
			verdicts[node.Name] = "left out"
		default:
			if status := f.framework.RunFilterPlugins(ctx, state, pod, info); !status.IsSuccess() {
				verdicts[node.Name] = status.Message()
			}
		}
	}
	return verdicts
}
