package nodemetadata

import (
	"encoding/json"
	"maps"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/controllers/nodemodel"
)

const nodeName, taskID = "general-x7k2p", "general-x7k2p.0f1e2d3c.1"

// template is that of every MesosNode here.
func template() v1alpha1.NodeTemplate {
	return v1alpha1.NodeTemplate{
		Metadata: v1alpha1.NodeTemplateMetadata{Labels: map[string]string{"team": "data"}, Annotations: map[string]string{"note": "x"}},
		Spec:     v1alpha1.NodeTemplateSpec{Taints: []v1alpha1.Taint{taint("dedicated", "data")}, StartupTaints: []v1alpha1.Taint{taint("starting", "")}},
	}
}

func taint(key, value string) v1alpha1.Taint {
	return v1alpha1.Taint{Key: key, Value: value, Effect: corev1.TaintEffectNoSchedule}
}

func onNode(taints ...v1alpha1.Taint) (out []corev1.Taint) {
	for _, t := range taints {
		out = append(out, corev1.Taint{Key: t.Key, Value: t.Value, Effect: t.Effect})
	}
	return out
}

func newRecord() *v1alpha1.MesosNode {
	return &v1alpha1.MesosNode{
		ObjectMeta: metav1.ObjectMeta{Name: nodeName, UID: "0f1e2d3c-aaaa", Labels: map[string]string{v1alpha1.LabelPool: "general"}},
		Spec:       v1alpha1.MesosNodeSpec{FrameworkRef: v1alpha1.FrameworkReference{Name: "default"}, Template: template()},
		Status: v1alpha1.MesosNodeStatus{Attempt: 1, Task: &v1alpha1.MesosTask{
			ID: taskID, AgentID: "S1", AgentHostname: "agent-1", Zone: "eu-1", RegistrationTaint: true,
		}},
	}
}

// ownLabels are those of k8sm on every Node here.
var ownLabels = map[string]string{
	"k8sm.io/pool": "general", "k8sm.io/framework": "default", "k8sm.io/agent-id": "S1", "k8sm.io/agent-hostname": "agent-1",
	"topology.kubernetes.io/zone": "eu-1",
}

// asRegistered is the Node that a kubelet registers of which this release's operator asks it.
func asRegistered() *corev1.Node {
	return &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: nodeName, Labels: map[string]string{"kubernetes.io/os": "linux"}, Annotations: map[string]string{"kubelets": "own"}},
		Spec: corev1.NodeSpec{
			ProviderID: "mesos://S1/" + taskID,
			Taints:     onNode(taint("k8sm.io/unregistered", ""), taint("dedicated", "data"), taint("starting", "")),
		},
	}
}

// registered returns a Node that has registered, and its MesosNode, which shows that.
func registered() (*corev1.Node, *v1alpha1.MesosNode) {
	record := newRecord()
	object := Desired(asRegistered(), record, nil)
	record.Status.ProviderID = nodemodel.CurrentProviderID(record)
	return object, record
}

// poolWith returns a pool whose template differs from that of the MesosNodes.
func poolWith(change func(*v1alpha1.NodeTemplate)) *v1alpha1.MesosNodePool {
	pool := &v1alpha1.MesosNodePool{ObjectMeta: metav1.ObjectMeta{Name: "general"}}
	pool.Spec.Template = template()
	change(&pool.Spec.Template)
	return pool
}

func expectLabels(t *testing.T, object *corev1.Node, others map[string]string) {
	t.Helper()
	want := maps.Clone(ownLabels)
	want["kubernetes.io/os"] = "linux"
	maps.Copy(want, others)
	if diff := cmp.Diff(want, object.Labels); diff != "" {
		t.Errorf("labels (-want +got):\n%s", diff)
	}
}

func expectTaints(t *testing.T, object *corev1.Node, want ...v1alpha1.Taint) {
	t.Helper()
	if got := onNode(want...); !equality.Semantic.DeepEqual(got, object.Spec.Taints) {
		t.Errorf("taints are %v, want %v", object.Spec.Taints, got)
	}
}

// expectSettled checks that a Node which is as it should be stays so.
func expectSettled(t *testing.T, object *corev1.Node, record *v1alpha1.MesosNode, pool *v1alpha1.MesosNodePool) {
	t.Helper()
	record.Status.ProviderID = nodemodel.CurrentProviderID(record)
	if again := Desired(object, record, pool); !equality.Semantic.DeepEqual(object, again) {
		t.Errorf("it would be written again at rest (-now +then):\n%s", cmp.Diff(object, again))
	}
}

func TestNodeThatRegistersGetsAllOfTheTemplateAtOnce(t *testing.T) {
	object := asRegistered()
	got := Desired(object, newRecord(), nil)
	expectLabels(t, got, map[string]string{"team": "data"})
	expectTaints(t, got, taint("dedicated", "data"), taint("starting", ""))
	want := map[string]string{
		"kubelets": "own", "note": "x", "k8sm.io/template-labels": "team",
		"k8sm.io/applied-template": `{"labels":{"team":"data"},"annotations":{"note":"` + digest("x") + `"},"taints":[{"key":"dedicated","value":"data","effect":"NoSchedule"}]}`,
	}
	if diff := cmp.Diff(want, got.Annotations); diff != "" {
		t.Errorf("annotations (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(asRegistered(), object); diff != "" {
		t.Errorf("the Node that was read was changed (-before +after):\n%s", diff)
	}
	expectSettled(t, got, newRecord(), nil)
}

func TestWhatAKubeletClaimsIsNotBelieved(t *testing.T) {
	object := asRegistered()
	maps.Copy(object.Labels, map[string]string{
		"team": "payments", "k8sm.io/pool": "other", "k8sm.io/shape": "large", "topology.kubernetes.io/zone": "us-1", "hardware": "its own",
	})
	maps.Copy(object.Annotations, map[string]string{
		"note": "forged", "k8sm.io/forged": "x", "k8sm.io/template-labels": "",
		"k8sm.io/applied-template": `{"labels":{"kubernetes.io/os":"linux"},"taints":[{"key":"dedicated","value":"data","effect":"NoSchedule"}]}`,
	})
	object.Spec.Taints = onNode(taint("k8sm.io/unregistered", "forged"), taint("dedicated", "other"))
	got := Desired(object, newRecord(), nil)
	expectLabels(t, got, map[string]string{"team": "data", "hardware": "its own"})
	expectTaints(t, got, taint("dedicated", "data"))
	if diff := cmp.Diff(Desired(asRegistered(), newRecord(), nil).Annotations, got.Annotations); diff != "" {
		t.Errorf("annotations (-of an honest kubelet +of this one):\n%s", diff)
	}
}

func TestNodeThatRegistersWithoutTheTaintIsSetRightAndReported(t *testing.T) {
	object := asRegistered()
	object.Spec.Taints = nil
	object.Labels["team"] = "payments"
	record := newRecord()
	if !IsWithoutTaint(object, record) || !IsRegistering(object, record) {
		t.Error("it is not reported")
	}
	got := Desired(object, record, nil)
	expectLabels(t, got, map[string]string{"team": "data"})
	expectTaints(t, got, taint("dedicated", "data"))
	if IsWithoutTaint(got, record) || IsRegistering(got, record) {
		t.Error("it is reported again if the record could not be written")
	}
	record.Status.Task.RegistrationTaint = false
	if IsWithoutTaint(object, record) {
		t.Error("it is reported of a kubelet that a release without the taint has launched")
	}
	if object, record := registered(); IsWithoutTaint(object, record) || IsRegistering(object, record) {
		t.Error("it is reported of a Node that has registered")
	}
	if IsWithoutTaint(asRegistered(), newRecord()) {
		t.Error("it is reported of a Node that has the taint")
	}
}

// An executor that an earlier release launched has its kubelet register with labels.
func TestNodeOfAnEarlierLaunchRegistersWithItsLabels(t *testing.T) {
	object := asRegistered()
	object.Spec.Taints = onNode(taint("dedicated", "data"))
	maps.Copy(object.Labels, ownLabels)
	object.Labels["team"] = "data"
	record := newRecord()
	record.Status.Task.RegistrationTaint = false
	got := Desired(object, record, poolWith(func(t *v1alpha1.NodeTemplate) { t.Metadata.Labels = map[string]string{"tier": "2"} }))
	expectLabels(t, got, map[string]string{"tier": "2"})
	expectTaints(t, got, taint("dedicated", "data"))
}

func TestNodeTakesWhatThePoolHasWhenItRegisters(t *testing.T) {
	pool := poolWith(func(t *v1alpha1.NodeTemplate) {
		t.Metadata.Labels = map[string]string{"tier": "2"}
		t.Spec.Taints = []v1alpha1.Taint{taint("later", "")}
	})
	got := Desired(asRegistered(), newRecord(), pool)
	expectLabels(t, got, map[string]string{"tier": "2"})
	expectTaints(t, got, taint("starting", ""), taint("later", ""))
	expectSettled(t, got, newRecord(), pool)
}

func TestNodesOfAnEarlierReleaseAreNotWrittenUntilSomethingChanges(t *testing.T) {
	object, record := registered()
	delete(object.Annotations, v1alpha1.AnnotationAppliedTemplate)
	expectSettled(t, object, record, nil)
	expectSettled(t, object, record, poolWith(func(*v1alpha1.NodeTemplate) {}))

	pool := poolWith(func(t *v1alpha1.NodeTemplate) { t.Metadata.Labels, t.Spec.Taints = nil, nil })
	got := Desired(object, record, pool)
	expectLabels(t, got, nil)
	expectTaints(t, got, taint("starting", ""))
	if _, has := got.Annotations[v1alpha1.AnnotationTemplateLabels]; has {
		t.Error("the annotation still lists labels")
	}
	if back := Desired(got, record, nil); back.Labels["team"] != "data" || len(back.Spec.Taints) != 2 {
		t.Errorf("the template of before is not put back: %v, %v", back.Labels, back.Spec.Taints)
	}
}

func TestChangesOfTheTemplateReachRunningNodes(t *testing.T) {
	none := func(*corev1.Node) {}
	labels := func(kv ...string) func(*v1alpha1.NodeTemplate) {
		return func(t *v1alpha1.NodeTemplate) {
			t.Metadata.Labels = map[string]string{}
			for i := 0; i < len(kv); i += 2 {
				t.Metadata.Labels[kv[i]] = kv[i+1]
			}
		}
	}
	for name, test := range map[string]struct {
		byHand func(*corev1.Node)           // before the template changes
		change func(*v1alpha1.NodeTemplate) // of the pool
		labels map[string]string            // besides those of k8sm
		taints []v1alpha1.Taint             // all
		note   string                       // an annotation
		then   func(*v1alpha1.NodeTemplate) // a second change
		later  map[string]string            // labels after that
	}{
		"nothing": {byHand: none, change: func(*v1alpha1.NodeTemplate) {},
			labels: map[string]string{"team": "data"}, taints: []v1alpha1.Taint{taint("dedicated", "data"), taint("starting", "")}, note: "x"},
		"a label is added": {byHand: none, change: labels("team", "data", "node-role.kubernetes.io/worker", ""),
			labels: map[string]string{"team": "data", "node-role.kubernetes.io/worker": ""}},
		"a label gets another value": {byHand: none, change: labels("team", "web"), labels: map[string]string{"team": "web"}},
		"a label is removed":         {byHand: none, change: labels(), labels: map[string]string{}},
		"a person's label stays": {byHand: func(n *corev1.Node) { n.Labels["mine"] = "stays" }, change: labels(),
			labels: map[string]string{"mine": "stays"}},
		"a person's label is also the template's, and stays when it is not any more": {
			byHand: func(n *corev1.Node) { n.Labels["tier"] = "2" }, change: labels("tier", "2"), labels: map[string]string{"tier": "2"},
			then: labels(), later: map[string]string{"tier": "2"}},
		"a person's label has another value than the template's, which counts": {
			byHand: func(n *corev1.Node) { n.Labels["tier"] = "1" }, change: labels("tier", "2"), labels: map[string]string{"tier": "2"},
			then: labels(), later: map[string]string{}},
		"a person removed a label of the template, which puts it back": {
			byHand: func(n *corev1.Node) { delete(n.Labels, "team") }, change: labels("team", "data", "a", "b"), labels: map[string]string{"team": "data", "a": "b"}},
		"a person changed a label that the template drops meanwhile": {
			byHand: func(n *corev1.Node) { n.Labels["team"] = "ops" }, change: labels(), labels: map[string]string{"team": "ops"}},
		"an annotation gets another value": {byHand: none, change: func(t *v1alpha1.NodeTemplate) { t.Metadata.Annotations["note"] = "y" }, note: "y"},
		"an annotation is removed":         {byHand: none, change: func(t *v1alpha1.NodeTemplate) { t.Metadata.Annotations = nil }, note: ""},
		"a person changed an annotation that the template drops meanwhile": {
			byHand: func(n *corev1.Node) { n.Annotations["note"] = "mine" }, change: func(t *v1alpha1.NodeTemplate) { t.Metadata.Annotations = nil }, note: "mine"},
		"a taint is added": {byHand: none, change: func(t *v1alpha1.NodeTemplate) { t.Spec.Taints = append(t.Spec.Taints, taint("new", "")) },
			taints: []v1alpha1.Taint{taint("dedicated", "data"), taint("starting", ""), taint("new", "")}},
		"a taint gets another value": {byHand: none, change: func(t *v1alpha1.NodeTemplate) { t.Spec.Taints[0].Value = "web" },
			taints: []v1alpha1.Taint{taint("dedicated", "web"), taint("starting", "")}},
		"a taint gets another effect": {byHand: none, change: func(t *v1alpha1.NodeTemplate) { t.Spec.Taints[0].Effect = corev1.TaintEffectNoExecute },
			taints: []v1alpha1.Taint{taint("starting", ""), {Key: "dedicated", Value: "data", Effect: corev1.TaintEffectNoExecute}}},
		"a taint is removed": {byHand: none, change: func(t *v1alpha1.NodeTemplate) { t.Spec.Taints = nil }, taints: []v1alpha1.Taint{taint("starting", "")}},
		"a person removed a taint, which is not added again": {
			byHand: func(n *corev1.Node) { n.Spec.Taints = nil }, change: func(t *v1alpha1.NodeTemplate) { t.Metadata.Labels["a"] = "b" }},
		"a person removed a taint, which gets another value": {
			byHand: func(n *corev1.Node) { n.Spec.Taints = nil }, change: func(t *v1alpha1.NodeTemplate) { t.Spec.Taints[0].Value = "web" },
			taints: []v1alpha1.Taint{taint("dedicated", "web")}},
		"a person changed a taint that the template drops": {
			byHand: func(n *corev1.Node) { n.Spec.Taints[0].Value = "mine" }, change: func(t *v1alpha1.NodeTemplate) { t.Spec.Taints = nil },
			taints: []v1alpha1.Taint{taint("dedicated", "mine"), taint("starting", "")}},
		"a person's taint stays": {
			byHand: func(n *corev1.Node) { n.Spec.Taints = append(n.Spec.Taints, onNode(taint("quarantine", ""))...) }, change: func(t *v1alpha1.NodeTemplate) { t.Spec.Taints = nil },
			taints: []v1alpha1.Taint{taint("starting", ""), taint("quarantine", "")}},
		"a startup taint that is gone stays gone": {
			byHand: func(n *corev1.Node) { n.Spec.Taints = n.Spec.Taints[:1] }, change: func(t *v1alpha1.NodeTemplate) { t.Spec.StartupTaints[0].Value = "x" },
			taints: []v1alpha1.Taint{taint("dedicated", "data")}},
		"the registration taint is nobody's to ask for": {byHand: none, change: func(t *v1alpha1.NodeTemplate) { t.Spec.Taints = []v1alpha1.Taint{taint("k8sm.io/unregistered", "x")} },
			taints: []v1alpha1.Taint{taint("starting", "")}},
	} {
		t.Run(name, func(t *testing.T) {
			object, record := registered()
			test.byHand(object)
			pool := poolWith(test.change)
			got := Desired(object, record, pool)
			if test.labels != nil {
				expectLabels(t, got, test.labels)
			}
			if test.taints != nil || strings.Contains(name, "not added again") {
				expectTaints(t, got, test.taints...)
			}
			if strings.Contains(name, "annotation") && got.Annotations["note"] != test.note {
				t.Errorf("the annotation is %q, want %q", got.Annotations["note"], test.note)
			}
			expectSettled(t, got, record, pool)
			if test.then != nil {
				expectLabels(t, Desired(got, record, poolWith(test.then)), test.later)
			}
		})
	}
}

func TestARecordThatCannotBeReadCountsAsNone(t *testing.T) {
	object, record := registered()
	object.Annotations[v1alpha1.AnnotationAppliedTemplate] = "{"
	got := Desired(object, record, nil)
	expectLabels(t, got, map[string]string{"team": "data"})
	if want, _ := registered(); got.Annotations[v1alpha1.AnnotationAppliedTemplate] != want.Annotations[v1alpha1.AnnotationAppliedTemplate] {
		t.Errorf("it is not written anew: %s", got.Annotations[v1alpha1.AnnotationAppliedTemplate])
	}
}

func TestTheRecordIsBounded(t *testing.T) {
	record := newRecord()
	long := strings.Repeat("a", 200<<10)
	record.Spec.Template.Metadata.Annotations = map[string]string{"long": long}
	got := Desired(asRegistered(), record, nil)
	if got.Annotations["long"] != long {
		t.Error("the annotation is not set")
	}
	if text := got.Annotations[v1alpha1.AnnotationAppliedTemplate]; len(text) > 1000 || !json.Valid([]byte(text)) {
		t.Errorf("the record has %d bytes", len(text))
	}
}

func TestAPoolsTemplateReplacesWhatReachesRunningNodes(t *testing.T) {
	record := newRecord()
	pool := poolWith(func(t *v1alpha1.NodeTemplate) {
		t.Metadata.Labels = map[string]string{"tier": "2"}
		t.Spec.Taints, t.Spec.StartupTaints = nil, nil
	})
	got := CurrentTemplate(record, pool)
	if got.Metadata.Labels["tier"] != "2" || len(got.Spec.Taints) != 0 || len(got.Spec.StartupTaints) != 1 {
		t.Errorf("got %+v, want the pool's labels and taints, and the startup taints that it was launched with", got)
	}
	own := CurrentTemplate(record, nil)
	if !IsSame(&own, &record.Spec.Template) || IsSame(&got, &own) {
		t.Error("templates are not compared by labels, annotations and taints")
	}
	if diff := cmp.Diff(newRecord(), record); diff != "" {
		t.Errorf("the MesosNode was changed (-before +after):\n%s", diff)
	}
}
