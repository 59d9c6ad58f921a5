package scheduling

import (
	"context"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins/names"
)

func nodeNames(infos []fwk.NodeInfo, err error) []string {
	var out []string
	for _, info := range infos {
		out = append(out, info.Node().Name)
	}
	if err != nil {
		out = append(out, err.Error())
	}
	return out
}

func TestPluginsSeeTheNodesOfTheCluster(t *testing.T) {
	c := emptyCluster(t)
	lister := sharedLister{cluster: c}
	for _, name := range []string{"n1", "n2", "n3", "n4"} {
		c.AddNode(testNode(name))
	}
	c.AddTemplate(testNode("template"), []*corev1.Pod{testPod("0", nearPods("zone", "app", "x"))})
	mustPut(t, c, testPod("1", nearPods(corev1.LabelHostname, "app", "x")), "n1")
	mustPut(t, c, testPod("2", apartFrom(corev1.LabelHostname, "app", "y")), "n2")
	mustPut(t, c, testPod("3", apartFrom("zone", "app", "z")), "n3")
	disk := testPod("4")
	disk.Spec.Volumes = []corev1.Volume{{VolumeSource: corev1.VolumeSource{PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: "disk"}}}}
	mustPut(t, c, disk, "n4")

	for name, test := range map[string]struct{ got, want []string }{
		"all":                {nodeNames(lister.NodeInfos().List()), []string{"n1", "n2", "n3", "n4"}},
		"with affinity":      {nodeNames(lister.HavePodsWithAffinityList()), []string{"n1", "n2", "n3"}},
		"with anti-affinity": {nodeNames(lister.HavePodsWithRequiredAntiAffinityList()), []string{"n2", "n3"}},
	} {
		if diff := cmp.Diff(test.want, test.got); diff != "" {
			t.Errorf("nodes %s (-want +got):\n%s", name, diff)
		}
	}
	if !lister.StorageInfos().IsPVCUsedByPods("default/disk") || lister.StorageInfos().IsPVCUsedByPods("default/other") {
		t.Error("it is not known which claim is in use")
	}
	c.RemoveNode("n4")
	if lister.IsPVCUsedByPods("default/disk") {
		t.Error("the claim is still in use after its pod is gone")
	}
	if _, err := lister.Get("n4"); err == nil || !strings.Contains(err.Error(), `"n4"`) {
		t.Errorf("the error is %v", err)
	}
	if info, err := lister.Get("n1"); err != nil || info.Node().Name != "n1" {
		t.Errorf("n1 is not found: %v", err)
	}
}

// The list is rebuilt only when a node goes, or takes the slot of another.
func TestTheListOfNodesIsAlwaysTheNodes(t *testing.T) {
	c := emptyCluster(t)
	check := func(step string, want ...string) {
		t.Helper()
		if diff := cmp.Diff(want, nodeNames(c.listNodeInfos(), nil)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", step, diff)
		}
	}
	check("at first")
	c.AddNode(testNode("n1"))
	c.AddNode(testNode("n2"))
	check("two nodes", "n1", "n2")
	c.AddNode(testNode("n3"))
	check("one more", "n1", "n2", "n3")
	c.RemoveNode("n1")
	check("without the first", "n2", "n3")
	c.AddNode(testNode("n4"))
	check("its slot is taken", "n4", "n2", "n3")
	mark := c.Checkpoint()
	c.RemoveNode("n2")
	c.AddNode(testNode("n5"))
	check("in a trial", "n4", "n5", "n3")
	c.Revert(mark)
	check("after it", "n4", "n2", "n3")
}

func TestTheKindsThatPluginsLookUp(t *testing.T) {
	known := []runtime.Object{
		&corev1.Namespace{}, &corev1.PersistentVolume{}, &corev1.PersistentVolumeClaim{}, &storagev1.StorageClass{}, &storagev1.CSINode{},
		&storagev1.CSIDriver{}, &storagev1.CSIStorageCapacity{}, &storagev1.VolumeAttachment{},
	}
	c := emptyCluster(t)
	stores := map[any]bool{}
	for _, object := range known {
		store, err := storeOf(c.objects, object)
		if err != nil {
			t.Errorf("%T: %v", object, err)
			continue
		}
		if stores[store] {
			t.Errorf("%T has the store of another kind", object)
		}
		stores[store] = true
		object.(metav1.Object).SetName("a")
		for range 2 { // set, and replaced
			if err := c.SetObject(object); err != nil {
				t.Errorf("setting %T: %v", object, err)
			}
		}
		if got := len(store.List()); got != 1 {
			t.Errorf("there are %d of %T, want 1", got, object)
		}
		if err := c.DeleteObject(object); err != nil || len(store.List()) != 0 {
			t.Errorf("deleting %T: %v, %d are left", object, err, len(store.List()))
		}
	}
	for _, object := range []runtime.Object{&corev1.Pod{}, &corev1.Node{}, &corev1.Secret{}} {
		if err := c.SetObject(object); err == nil || !strings.Contains(err.Error(), "no plugin of the scheduler's looks at it") {
			t.Errorf("setting %T: %v", object, err)
		}
		if err := c.DeleteObject(object); err == nil {
			t.Errorf("deleting %T is no error", object)
		}
	}
}

// A filter that the scheduler gains with a new version must be thought about: what it looks
// at, and whether its answer depends on other nodes.
func TestTheFiltersAreThoseOfTheScheduler(t *testing.T) {
	c := emptyCluster(t)
	var got, nodeLocal, clusterWide []string
	for _, p := range c.plugins {
		got = append(got, p.name)
		if p.filter == nil {
			t.Errorf("%s has no filter", p.name)
		}
		if p.nodeLocal {
			nodeLocal = append(nodeLocal, p.name)
		}
		if p.clusterWide {
			clusterWide = append(clusterWide, p.name)
		}
		if p.key == nil && p.name != names.NodeDeclaredFeatures { // which skips nearly every pod
			t.Errorf("%s has no key, so that it is asked about each pod anew", p.name)
		}
	}
	for _, name := range []string{names.NodeUnschedulable, names.TaintToleration, names.NodeAffinity, names.NodePorts, names.NodeResourcesFit, names.VolumeBinding, names.InterPodAffinity} {
		if !strings.Contains(strings.Join(got, " "), name) {
			t.Errorf("%s is not among %v", name, got)
		}
	}
	if diff := cmp.Diff([][]string{{names.NodePorts, names.NodeResourcesFit}, {names.PodTopologySpread, names.InterPodAffinity}}, [][]string{nodeLocal, clusterWide}); diff != "" {
		t.Errorf("plugins by what they depend on (-want +got):\n%s", diff)
	}
	for _, name := range got {
		if name == names.NodeName {
			t.Error("pods are kept where their spec says")
		}
	}
}

func TestPluginsWorkInTheGoroutineThatCallsThem(t *testing.T) {
	var done []int
	serialHandle{}.Parallelizer().Until(context.Background(), 5, func(i int) { done = append(done, i) }, "test")
	if diff := cmp.Diff([]int{0, 1, 2, 3, 4}, done); diff != "" {
		t.Errorf("pieces (-want +got):\n%s", diff)
	}
}

func TestAPodThatClaimsDevicesIsRefusedWithItsClaim(t *testing.T) {
	c := emptyCluster(t)
	c.AddNode(testNode("n1"))
	pod := testPod("a", func(p *corev1.Pod) {
		p.Spec.ResourceClaims = []corev1.PodResourceClaim{{Name: "gpu", ResourceClaimName: new("gpu-claim")}}
	})
	if fits, why := c.Fits(pod, "n1"); fits || !strings.Contains(why, `"gpu-claim" not found`) {
		t.Errorf("it fits: %t, %q", fits, why)
	}
}
