package scheduling_test

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/informers"
	"k8s.io/kubernetes/pkg/scheduler/apis/config/latest"
	"k8s.io/kubernetes/pkg/scheduler/backend/cache"
	"k8s.io/kubernetes/pkg/scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins/names"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins/nodevolumelimits"
	schedulerruntime "k8s.io/kubernetes/pkg/scheduler/framework/runtime"

	"github.com/k8sm/k8sm/controllers/autoscaler/scheduling"
)

// world is what a Cluster should hold, and asks the scheduler's framework anew each time.
type world struct {
	nodes []*corev1.Node
	pods  []*corev1.Pod
}

func (w *world) fits(t *testing.T, pod *corev1.Pod) map[string]bool {
	t.Helper()
	profile, err := latest.Default()
	if err != nil {
		t.Fatal(err)
	}
	// It wants a manager of devices, which the pods here don't have.
	enabled := &profile.Profiles[0].Plugins.MultiPoint.Enabled
	for i := range *enabled {
		if (*enabled)[i].Name == names.DynamicResources {
			*enabled = slices.Delete(*enabled, i, i+1)
			break
		}
	}
	snapshot := cache.NewSnapshot(w.pods, w.nodes)
	ended, end := context.WithCancel(t.Context())
	end()
	objects := informers.NewSharedInformerFactory(nil, 0)
	f, err := schedulerruntime.NewFramework(ended, plugins.NewInTreeRegistry(), &profile.Profiles[0],
		schedulerruntime.WithSnapshotSharedLister(snapshot), schedulerruntime.WithInformerFactory(objects),
		schedulerruntime.WithSharedCSIManager(nodevolumelimits.NewCSIManager(objects.Storage().V1().CSINodes().Lister())))
	if err != nil {
		t.Fatal(err)
	}
	state := framework.NewCycleState()
	result, status, _ := f.RunPreFilterPlugins(t.Context(), state, pod)
	fits := map[string]bool{}
	infos, _ := snapshot.NodeInfos().List()
	for _, info := range infos {
		name := info.Node().Name
		fits[name] = status.IsSuccess() && (result.AllNodes() || result.NodeNames.Has(name)) &&
			f.RunFilterPlugins(t.Context(), state, pod, info).IsSuccess()
	}
	return fits
}

func randomNode(random *rand.Rand, name string) *corev1.Node {
	node := makeNode(name).zone(string(rune('a' + random.IntN(3))))
	switch random.IntN(8) {
	case 0:
		node.taint("dedicated")
	case 1:
		node.Spec.Unschedulable = true
	case 2:
		delete(node.Labels, corev1.LabelTopologyZone)
	case 3:
		node.Labels["disk"] = "ssd"
	}
	return node.obj()
}

func randomPod(random *rand.Rand, name string) *corev1.Pod {
	pod := makePod(name).label("app", string(rune('x'+random.IntN(3)))).cpu([]string{"100m", "500m", "1", "2"}[random.IntN(4)])
	key := []string{corev1.LabelHostname, corev1.LabelTopologyZone}[random.IntN(2)]
	value := string(rune('x' + random.IntN(3)))
	switch random.IntN(16) {
	case 0, 1:
		pod.spread(key, "app", value)
	case 2:
		pod.spread(corev1.LabelHostname, "app", value).spread(corev1.LabelTopologyZone, "app", pod.Labels["app"])
	case 3, 4:
		pod.antiAffinity(key, "app", value)
	case 5:
		pod.affinity(key, "app", value)
	case 6:
		pod.port(int32(80 + random.IntN(2)))
	case 7:
		pod.Spec.Tolerations = []corev1.Toleration{{Operator: corev1.TolerationOpExists}}
	case 8:
		pod.Spec.NodeSelector = map[string]string{"disk": "ssd"}
	case 9:
		pod.spread(key, "app", value)
		honor, few := corev1.NodeInclusionPolicyHonor, int32(1+random.IntN(4))
		pod.Spec.TopologySpreadConstraints[0].NodeTaintsPolicy = &honor
		pod.Spec.TopologySpreadConstraints[0].MinDomains = &few
		pod.Spec.TopologySpreadConstraints[0].MaxSkew = int32(1 + random.IntN(2))
	case 10:
		pod.spread(key, "app", value)
		pod.Spec.TopologySpreadConstraints[0].MatchLabelKeys = []string{"app"}
	case 11:
		pod.spread(key, "app", value)
		pod.Spec.NodeSelector = map[string]string{"disk": "ssd"}
		pod.Spec.TopologySpreadConstraints[0].NodeAffinityPolicy = []*corev1.NodeInclusionPolicy{
			nil, new(corev1.NodeInclusionPolicyHonor), new(corev1.NodeInclusionPolicyIgnore)}[random.IntN(3)]
	case 12:
		pod.spread(key, "app", value)
		pod.Spec.TopologySpreadConstraints[0].LabelSelector = &metav1.LabelSelector{}
	case 13:
		pod.Spec.Volumes = []corev1.Volume{{VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}}}
	case 14:
		disk := &corev1.GCEPersistentDiskVolumeSource{PDName: value}
		pod.Spec.Volumes = []corev1.Volume{{VolumeSource: corev1.VolumeSource{GCEPersistentDisk: disk}}}
	}
	if random.IntN(8) == 0 {
		pod.Namespace = "other"
	}
	if random.IntN(10) == 0 {
		pod.DeletionTimestamp = &metav1.Time{}
	}
	return pod.obj()
}

// TestClusterAgreesWithAFreshScheduler changes a cluster at random, and after each change
// compares all answers to those of the scheduler's framework over a fresh snapshot.
func TestClusterAgreesWithAFreshScheduler(t *testing.T) {
	seeds := uint64(60)
	if testing.Short() {
		seeds = 5
	}
	for seed := range seeds {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			random := rand.New(rand.NewPCG(seed, 0))
			cluster, w := newCluster(t), &world{}
			var probes []*corev1.Pod
			for i := range 6 {
				probes = append(probes, randomPod(random, fmt.Sprint("probe-", i)))
			}
			for step := range 40 {
				what := change(random, cluster, w, step)
				probe := probes[random.IntN(len(probes))]
				fits := w.fits(t, probe)
				mark := cluster.Checkpoint()
				if node, placed := cluster.Place(probe); placed && !fits[node] || !placed && slices.Contains(slices.Collect(maps.Values(fits)), true) {
					t.Fatalf("step %d (%s): %s was placed on %q (%t), but it fits on %v", step, what, probe.Name, node, placed, fits)
				}
				cluster.Revert(mark)
				for node, want := range fits {
					if got, reason := cluster.Fits(probe, node); got != want {
						t.Fatalf("step %d (%s): %s fits on %s: got %t (%s), want %t", step, what, probe.Name, node, got, reason, want)
					}
				}
			}
		})
	}
}

// change changes both alike, and returns a description of the change.
func change(random *rand.Rand, cluster *scheduling.Cluster, w *world, step int) string {
	switch action := random.IntN(10); {
	case action < 2 || len(w.nodes) < 3:
		node := randomNode(random, fmt.Sprint("node-", step))
		w.nodes = append(w.nodes, node)
		cluster.AddNode(node)
		return "added " + node.Name
	case action == 2:
		i := random.IntN(len(w.nodes))
		node := w.nodes[i]
		w.nodes = slices.Delete(w.nodes, i, i+1)
		w.pods = slices.DeleteFunc(w.pods, func(p *corev1.Pod) bool { return p.Spec.NodeName == node.Name })
		cluster.RemoveNode(node.Name)
		return "removed " + node.Name
	case action == 3:
		i := random.IntN(len(w.nodes))
		w.nodes[i] = randomNode(random, w.nodes[i].Name)
		cluster.AddNode(w.nodes[i])
		return "changed " + w.nodes[i].Name
	case action == 4 && len(w.pods) > 0:
		i := random.IntN(len(w.pods))
		pod := w.pods[i]
		w.pods = slices.Delete(w.pods, i, i+1)
		cluster.RemovePod(pod)
		return "removed " + pod.Name
	case action == 5:
		mark := cluster.Checkpoint()
		for range 5 {
			change(random, cluster, &world{nodes: slices.Clone(w.nodes), pods: slices.Clone(w.pods)}, 1000+step)
			cluster.Place(randomPod(random, fmt.Sprint("tried-", random.Uint64())))
		}
		cluster.Revert(mark)
		return "tried and reverted"
	default:
		pod := randomPod(random, fmt.Sprint("pod-", step))
		if node, placed := cluster.Place(pod); placed {
			pod.Spec.NodeName = node
			w.pods = append(w.pods, pod)
		}
		return "placed " + pod.Name
	}
}
