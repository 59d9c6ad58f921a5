package detach

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/k8sm/k8sm/controllers/drain"
)

// attachment attaches a PersistentVolume to a node.
func attachment(volume, node string) *storagev1.VolumeAttachment {
	return &storagev1.VolumeAttachment{
		ObjectMeta: metav1.ObjectMeta{Name: "csi-" + volume + "-" + node},
		Spec:       storagev1.VolumeAttachmentSpec{NodeName: node, Source: storagev1.VolumeAttachmentSource{PersistentVolumeName: &volume}},
	}
}

func inline(name, node string) *storagev1.VolumeAttachment {
	a := attachment("", node)
	a.Name, a.Spec.Source = name, storagev1.VolumeAttachmentSource{InlineVolumeSpec: &corev1.PersistentVolumeSpec{}}
	return a
}

func claim(name, volume string) *corev1.PersistentVolumeClaim {
	return &corev1.PersistentVolumeClaim{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name},
		Spec:       corev1.PersistentVolumeClaimSpec{VolumeName: volume},
	}
}

// pod is on node a and uses a claim, or an ephemeral volume with the name "scratch".
func pod(name, claimName string, phase corev1.PodPhase) *corev1.Pod {
	source := corev1.VolumeSource{PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: claimName}}
	if claimName == "" {
		source = corev1.VolumeSource{Ephemeral: &corev1.EphemeralVolumeSource{}}
	}
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name},
		Spec: corev1.PodSpec{NodeName: "a", Volumes: []corev1.Volume{
			{Name: "config", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}},
			{Name: "scratch", VolumeSource: source},
		}},
		Status: corev1.PodStatus{Phase: phase},
	}
}

// volumes reads from an API server in memory. A read of a kind in failures fails.
func volumes(objects []client.Object, failures ...string) Volumes {
	fails := func(object any) error {
		for _, kind := range failures {
			if strings.Contains(strings.ToLower(kindOf(object)), kind) {
				return errors.New("the API server is away")
			}
		}
		return nil
	}
	c := fake.NewClientBuilder().WithObjects(objects...).
		WithIndex(&storagev1.VolumeAttachment{}, fieldNodeName, NodeNames).
		WithIndex(&corev1.Pod{}, drain.FieldNodeName, func(o client.Object) []string { return []string{o.(*corev1.Pod).Spec.NodeName} }).
		WithInterceptorFuncs(interceptor.Funcs{
			List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, o ...client.ListOption) error {
				return errors.Join(fails(list), c.List(ctx, list, o...))
			},
			Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, object client.Object, o ...client.GetOption) error {
				if err := fails(object); err != nil {
					return err
				}
				return c.Get(ctx, key, object, o...)
			},
		}).Build()
	return Volumes{Cache: c, Live: c}
}

func kindOf(object any) string {
	switch object.(type) {
	case *storagev1.VolumeAttachmentList:
		return "attachment"
	case *corev1.PodList:
		return "pod"
	case *corev1.PersistentVolumeClaim:
		return "claim"
	}
	return ""
}

func TestVolumesOfANode(t *testing.T) {
	for name, tc := range map[string]struct {
		objects             []client.Object
		attached, detaching []string
	}{
		"a node without volumes has none": {},
		"volumes of other nodes are not counted": {
			objects: []client.Object{attachment("pv-1", "b")},
		},
		"volumes of pods that are gone are being detached": {
			objects:  []client.Object{attachment("pv-2", "a"), attachment("pv-1", "a")},
			attached: []string{"pv-1", "pv-2"}, detaching: []string{"pv-1", "pv-2"},
		},
		"the volume of a pod that is left on the node stays attached": {
			objects:  []client.Object{attachment("pv-1", "a"), attachment("pv-2", "a"), pod("agent", "data", corev1.PodRunning), claim("data", "pv-1")},
			attached: []string{"pv-1", "pv-2"}, detaching: []string{"pv-2"},
		},
		"the ephemeral volume of a pod that is left stays attached": {
			objects:  []client.Object{attachment("pv-1", "a"), pod("agent", "", corev1.PodRunning), claim("agent-scratch", "pv-1")},
			attached: []string{"pv-1"},
		},
		"the volume of a pod that has ended is being detached": {
			objects:  []client.Object{attachment("pv-1", "a"), pod("job", "data", corev1.PodSucceeded), claim("data", "pv-1")},
			attached: []string{"pv-1"}, detaching: []string{"pv-1"},
		},
		"a claim that is gone keeps no volume": {
			objects:  []client.Object{attachment("pv-1", "a"), pod("agent", "data", corev1.PodRunning)},
			attached: []string{"pv-1"}, detaching: []string{"pv-1"},
		},
		"an inline volume has the name of its attachment": {
			objects:  []client.Object{inline("csi-inline", "a")},
			attached: []string{"csi-inline"}, detaching: []string{"csi-inline"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			v := volumes(tc.objects)
			attached, err := v.Attached(t.Context(), "a")
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.attached, attached); diff != "" {
				t.Errorf("attached (-want +got):\n%s", diff)
			}
			detaching, err := v.Detaching(t.Context(), "a")
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.detaching, append([]string(nil), detaching...)); diff != "" {
				t.Errorf("detaching (-want +got):\n%s", diff)
			}
		})
	}
}

func TestUnknownVolumesAreAnError(t *testing.T) {
	objects := []client.Object{attachment("pv-1", "a"), pod("agent", "data", corev1.PodRunning), claim("data", "pv-1")}
	for kind, want := range map[string]string{
		"attachment": "listing the volumes attached to node a",
		"pod":        "listing the pods of node a",
		"claim":      "reading the PersistentVolumeClaim default/data",
	} {
		if got, err := volumes(objects, kind).Detaching(t.Context(), "a"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("a failed read of a %s: got %v, %v", kind, got, err)
		}
	}
	if _, err := volumes(objects, "attachment").Attached(t.Context(), "a"); err == nil {
		t.Error("a failed read of attachments is taken for none")
	}
}

func TestNodeNames(t *testing.T) {
	if diff := cmp.Diff([]string{"a"}, NodeNames(attachment("pv-1", "a"))); diff != "" {
		t.Error(diff)
	}
	if got := NodeNames(&corev1.Pod{}); got != nil {
		t.Errorf("a pod has the nodes %v", got)
	}
}
