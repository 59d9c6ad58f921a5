package simulation

import (
	"fmt"
	"reflect"
	"strings"
	"time"

	certificatesv1 "k8s.io/api/certificates/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/k8sm/k8sm/api/v1alpha1"
)

// kind is a type of object that the API server keeps.
type kind string

const (
	kindFramework kind = "MesosFramework"
	kindPool      kind = "MesosNodePool"
	kindMesosNode kind = "MesosNode"
	kindNode      kind = "Node"
	kindPod       kind = "Pod"
	kindSecret    kind = "Secret"
	kindCSR       kind = "CertificateSigningRequest"
	kindLease     kind = "Lease"
	kindPDB       kind = "PodDisruptionBudget"
	kindConfigMap kind = "ConfigMap"
	// kindAttachment has no objects: no volume is ever attached here.
	kindAttachment kind = "VolumeAttachment"

	kindServiceCIDR   kind = "ServiceCIDR"
	kindEndpointSlice kind = "EndpointSlice"
)

// kindOf returns the kind of an object, or of the objects in a list.
func kindOf(object runtime.Object) kind {
	switch object.(type) {
	case *v1alpha1.MesosFramework, *v1alpha1.MesosFrameworkList:
		return kindFramework
	case *v1alpha1.MesosNodePool, *v1alpha1.MesosNodePoolList:
		return kindPool
	case *v1alpha1.MesosNode, *v1alpha1.MesosNodeList:
		return kindMesosNode
	case *corev1.Node, *corev1.NodeList:
		return kindNode
	case *corev1.Pod, *corev1.PodList:
		return kindPod
	case *corev1.Secret, *corev1.SecretList:
		return kindSecret
	case *certificatesv1.CertificateSigningRequest, *certificatesv1.CertificateSigningRequestList:
		return kindCSR
	case *coordinationv1.Lease, *coordinationv1.LeaseList:
		return kindLease
	case *policyv1.PodDisruptionBudget, *policyv1.PodDisruptionBudgetList:
		return kindPDB
	case *corev1.ConfigMap, *corev1.ConfigMapList:
		return kindConfigMap
	case *storagev1.VolumeAttachment, *storagev1.VolumeAttachmentList:
		return kindAttachment
	case *networkingv1.ServiceCIDRList:
		return kindServiceCIDR
	case *discoveryv1.EndpointSliceList:
		return kindEndpointSlice
	}
	if k := kindOfMetadata(object); k != "" {
		return k
	}
	panic(fmt.Sprintf("the simulated API server does not know %T", object))
}

// kindOfMetadata returns the kind of an object, or of the objects in a list, that has its
// metadata only; "" if it has more.
func kindOfMetadata(object runtime.Object) kind {
	switch o := object.(type) {
	case *metav1.PartialObjectMetadata:
		return kind(o.Kind)
	case *metav1.PartialObjectMetadataList:
		return kind(strings.TrimSuffix(o.Kind, "List"))
	}
	return ""
}

// hasStatus reports whether a kind has a status subresource.
func (k kind) hasStatus() bool {
	switch k {
	case kindSecret, kindLease, kindPDB, kindConfigMap:
		return false
	}
	return true
}

// part returns a field of an object by its Go name.
func part(object client.Object, field string) reflect.Value {
	return reflect.ValueOf(object).Elem().FieldByName(field)
}

// deepCopy returns a deep copy.
func deepCopy(object client.Object) client.Object { return object.DeepCopyObject().(client.Object) }

// fill assigns an object to the one that a caller passed. It must be a copy already.
func fill(into, from client.Object) {
	if partial, ok := into.(*metav1.PartialObjectMetadata); ok {
		partial.ObjectMeta = part(from, "ObjectMeta").Interface().(metav1.ObjectMeta)
		return
	}
	reflect.ValueOf(into).Elem().Set(reflect.ValueOf(from).Elem())
}

// fillList assigns objects to the list that a caller passed, as copies unless shared.
func fillList(into client.ObjectList, objects []client.Object, shared bool) {
	items := reflect.ValueOf(into).Elem().FieldByName("Items")
	out := reflect.MakeSlice(items.Type(), len(objects), len(objects))
	for i, o := range objects {
		if !shared {
			o = deepCopy(o)
		}
		if _, partial := into.(*metav1.PartialObjectMetadataList); partial {
			out.Index(i).FieldByName("ObjectMeta").Set(part(o, "ObjectMeta"))
			continue
		}
		out.Index(i).Set(reflect.ValueOf(o).Elem())
	}
	items.Set(out)
}

// roundTimes truncates the times in an object to whole seconds, as encoding them in JSON does.
func roundTimes(object client.Object) {
	switch o := object.(type) {
	case *v1alpha1.MesosNode:
		roundConditions(o.Status.Conditions)
		roundTime(o.Status.DrainStartTime)
		if t := o.Status.Task; t != nil {
			roundTime(&t.IntentTime)
			roundTime(t.UpdateTime)
		}
		for i := range o.Status.Failures {
			roundTime(&o.Status.Failures[i].Until)
		}
	case *v1alpha1.MesosFramework:
		roundConditions(o.Status.Conditions)
	case *v1alpha1.MesosNodePool:
		roundConditions(o.Status.Conditions)
	case *certificatesv1.CertificateSigningRequest:
		for i := range o.Status.Conditions {
			roundTime(&o.Status.Conditions[i].LastUpdateTime)
			roundTime(&o.Status.Conditions[i].LastTransitionTime)
		}
	}
}

func roundTime(t *metav1.Time) {
	if t != nil && !t.IsZero() {
		t.Time = t.Truncate(time.Second).UTC()
	}
}

func roundConditions(conditions []metav1.Condition) {
	for i := range conditions {
		roundTime(&conditions[i].LastTransitionTime)
	}
}
