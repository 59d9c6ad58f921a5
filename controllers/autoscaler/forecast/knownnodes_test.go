package forecast

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/controllers/nodemodel"
)

// known is a ready node with labels of its own, given as pairs of key and value.
type known struct {
	name, zone string
	labels     []string
}

// learn returns a Forecast that has learned from these nodes, which became ready an hour ago.
func learn(nodes ...known) Forecast {
	var records []v1alpha1.MesosNode
	objects := map[string]*corev1.Node{}
	for i, k := range nodes {
		record := recordIn(k.name, k.zone)
		record.Status.Task = &v1alpha1.MesosTask{ID: k.name + ".1", AgentID: "agent-" + k.name, AgentHostname: "host-" + k.name, Zone: k.zone}
		record.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionReady, Status: metav1.ConditionTrue, LastTransitionTime: metav1.NewTime(noon.Add(-time.Hour))}}
		object := Forecast{}.Node(record)
		object.UID, object.CreationTimestamp = "uid-of-"+object.UID, metav1.NewTime(noon.Add(time.Duration(i)*time.Second))
		object.Status.Addresses = []corev1.NodeAddress{{Type: corev1.NodeInternalIP, Address: "10.0.0.1"}}
		for j := 0; j < len(k.labels); j += 2 {
			object.Labels[k.labels[j]] = k.labels[j+1]
		}
		records, objects[k.name] = append(records, *record), object
	}
	return New(records, objects, nil, noon)
}

func recordIn(name, zone string) *v1alpha1.MesosNode {
	p := newPool()
	return nodemodel.NewNode(p, name, nodemodel.Size{Resources: p.Spec.Template.Spec.Resources, Zone: zone})
}

func TestLabelsLearnedFromKnownNodes(t *testing.T) {
	const key = "driver.example.com/x"
	tests := map[string]struct {
		nodes []known
		zone  string
		want  string
	}{
		"from a node of the zone":                      {[]known{{"node-1", "a", []string{key, "x"}}}, "a", "x"},
		"not from a node of another zone":              {[]known{{"node-1", "b", []string{key, "x"}}}, "a", ""},
		"from nodes of all zones where none is chosen": {[]known{{"node-1", "a", []string{key, "x"}}, {"node-2", "b", []string{key, "x"}}}, "", "x"},
		"nodes of all zones have to agree then":        {[]known{{"node-1", "a", []string{key, "x"}}, {"node-2", "b", []string{key, "y"}}}, "", ""},
		"nodes of one zone have to agree":              {[]known{{"node-1", "a", []string{key, "x"}}, {"node-2", "a", []string{key, "y"}}, {"node-3", "a", []string{key, "y"}}}, "a", ""},
		"nodes of agents without zones as well":        {[]known{{"node-1", "", []string{key, "x"}}, {"node-2", "", []string{key, "y"}}}, "", ""},
		"a node without the label does not count":      {[]known{{"node-1", "a", nil}, {"node-2", "a", []string{key, "x"}}}, "a", "x"},
		"not the name of the node":                     {[]known{{"node-1", "a", []string{key, "node-1"}}}, "a", ""},
		"not a value with the name of the node":        {[]known{{"node-1", "a", []string{key, "csi-node-1-x"}}}, "a", ""},
		"not the name of its agent":                    {[]known{{"node-1", "a", []string{key, "host-node-1"}}}, "a", ""},
		"not its address":                              {[]known{{"node-1", "a", []string{key, "10.0.0.1"}}}, "a", ""},
		"not the ID of its agent":                      {[]known{{"node-1", "a", []string{key, "agent-node-1"}}}, "a", ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if got := learn(test.nodes...).Node(recordIn("new", test.zone)).Labels[key]; got != test.want {
				t.Errorf("the label is %q, want %q", got, test.want)
			}
		})
	}
}

// A label that the pool's template had before is not learned from an old node.
func TestLabelsOfTheTemplateAreNotLearned(t *testing.T) {
	old := mesosNode("old", func(p *v1alpha1.MesosNodePool) { p.Spec.Template.Metadata.Labels = map[string]string{"team": "data"} })
	old.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionReady, Status: metav1.ConditionTrue}}
	object := Forecast{}.Node(old)
	f := New([]v1alpha1.MesosNode{*old}, map[string]*corev1.Node{"old": object}, nil, noon)
	if got, has := f.Node(mesosNode("new")).Labels["team"]; has {
		t.Errorf("the label is %q although the template has it no more", got)
	}
}

func TestDevicesAreLearnedFromANodeThatHadTimeToReportThem(t *testing.T) {
	const device = "example.com/device"
	settled, young := *mesosNode("settled"), *mesosNode("young")
	condition := func(at time.Time) []metav1.Condition {
		return []metav1.Condition{{Type: v1alpha1.ConditionReady, Status: metav1.ConditionTrue, LastTransitionTime: metav1.NewTime(at)}}
	}
	settled.Status.Conditions, young.Status.Conditions = condition(noon.Add(-time.Hour)), condition(noon.Add(-time.Minute))
	with, without := bornAt(settled, 1), bornAt(young, 2)
	with.Status.Allocatable[device] = resource.MustParse("2")
	f := New([]v1alpha1.MesosNode{settled, young}, map[string]*corev1.Node{"settled": with, "young": without}, nil, noon)
	for name, object := range map[string]*corev1.Node{"a new node": f.Node(mesosNode("new")), "a node that is starting": f.Started(without, &young)} {
		if got := object.Status.Allocatable[device]; got.String() != "2" {
			t.Errorf("%s has %s devices, want 2", name, got.String())
		}
	}
	if _, has := without.Status.Allocatable[device]; has {
		t.Error("the Node itself has changed")
	}
}

func TestStaticPodsComeWithTheNode(t *testing.T) {
	manifest := `{"apiVersion":"v1","kind":"Pod","metadata":{"name":"proxy"},"spec":{"hostNetwork":true,"containers":[{"name":"main","resources":{"limits":{"cpu":"1"}},"ports":[{"containerPort":80}]}]}}`
	record := mesosNode("n", func(p *v1alpha1.MesosNodePool) {
		p.Spec.Template.Spec.Kubelet.StaticPods = []runtime.RawExtension{{Raw: []byte(manifest)}, {Raw: []byte("{")}}
	})
	f := Forecast{}
	pods := f.Daemons(record, f.Node(record))
	if len(pods) != 1 {
		t.Fatalf("there are %d pods, want one", len(pods))
	}
	c := pods[0].Spec.Containers[0]
	got := []string{pods[0].Namespace, pods[0].Name, pods[0].Spec.NodeName, c.Resources.Requests.Cpu().String()}
	if diff := cmp.Diff([]string{"default", "proxy-n", "n", "1"}, got); diff != "" || c.Ports[0].HostPort != 80 || pods[0].UID == "" {
		t.Errorf("the pod is %v (-want +got):\n%s", pods[0], diff)
	}
	mirror := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "proxy-n"}}
	if missing := f.MissingDaemons(record, f.Node(record), []*corev1.Pod{mirror}); len(missing) > 0 {
		t.Errorf("missing are %v although the mirror is there", missing)
	}
	if missing := f.MissingDaemons(record, f.Node(record), nil); len(missing) != 1 {
		t.Errorf("%d pods are missing, want one", len(missing))
	}
}
