package differential

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// bindCompleted is the annotation of claims that are bound for good.
const bindCompleted = "pv.kubernetes.io/bind-completed"

// noProvisioner marks classes whose volumes are created beforehand.
const noProvisioner = "kubernetes.io/no-provisioner"

// addVolumes adds claims of all kinds: bound to volumes of a zone, of one node, or of many nodes;
// waiting for their first consumer; and without any matching volume.
func (s *scenarioBuilder) addVolumes() {
	late, atOnce := storagev1.VolumeBindingWaitForFirstConsumer, storagev1.VolumeBindingImmediate
	local, remote, now := s.class("local", noProvisioner, late), s.class("remote", driver, late), s.class("now", driver, atOnce)
	zone := s.IntN(2)
	remote.AllowedTopologies = []corev1.TopologySelectorTerm{{MatchLabelExpressions: []corev1.TopologySelectorLabelRequirement{{
		Key: corev1.LabelTopologyZone, Values: []string{zoneOf(s.name, zone), zoneOf(s.name, zone+1)},
	}}}}
	for i := range 6 {
		namespace := s.Namespaces[min(s.IntN(4), 1)].Name
		claim := s.claim(namespace, fmt.Sprint("bound-", i), now)
		s.bindSomewhere(claim, i)
	}
	for i := range 3 {
		s.claim(s.Namespaces[0].Name, fmt.Sprint("local-", i), local)
		s.claim(s.Namespaces[0].Name, fmt.Sprint("remote-", i), remote)
		s.localVolume(fmt.Sprintf("%s-local-%d", s.name, i), local)
	}
	s.claim(s.Namespaces[0].Name, "unbound", now)
}

func (s *scenarioBuilder) class(name, provisioner string, mode storagev1.VolumeBindingMode) *storagev1.StorageClass {
	class := &storagev1.StorageClass{
		ObjectMeta:  metav1.ObjectMeta{Name: s.name + "-" + name, Labels: map[string]string{seedKey: s.name}},
		Provisioner: provisioner, VolumeBindingMode: &mode,
	}
	s.Classes = append(s.Classes, class)
	return class
}

func (s *scenarioBuilder) claim(namespace, name string, class *storagev1.StorageClass) *corev1.PersistentVolumeClaim {
	claim := &corev1.PersistentVolumeClaim{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, Labels: map[string]string{seedKey: s.name}},
		Spec: corev1.PersistentVolumeClaimSpec{
			StorageClassName: &class.Name,
			AccessModes:      s.accessModes(),
			Resources:        corev1.VolumeResourceRequirements{Requests: requests("storage", oneOf(s.rng, "1Gi", "5Gi"))},
		},
	}
	s.Claims = append(s.Claims, claim)
	return claim
}

func (s *scenarioBuilder) accessModes() []corev1.PersistentVolumeAccessMode {
	return []corev1.PersistentVolumeAccessMode{oneOf(s.rng, corev1.ReadWriteOnce, corev1.ReadWriteOnce, corev1.ReadWriteOncePod)}
}

// bindSomewhere binds a claim to a volume: in a zone by affinity or by the old label, on one node,
// or anywhere.
func (s *scenarioBuilder) bindSomewhere(claim *corev1.PersistentVolumeClaim, i int) {
	volume := s.volume(fmt.Sprintf("%s-bound-%d", s.name, i), *claim.Spec.StorageClassName)
	bind(claim, volume)
	zone := zoneOf(s.name, s.IntN(3))
	switch s.IntN(4) {
	case 0:
		volume.Spec.NodeAffinity = onlyWhere(corev1.LabelTopologyZone, zone)
	case 1:
		volume.Labels[corev1.LabelTopologyZone] = zone
	case 2:
		volume.Spec.NodeAffinity = onlyWhere(corev1.LabelHostname, oneOf(s.rng, s.Nodes...).Name)
	}
}

func bind(claim *corev1.PersistentVolumeClaim, volume *corev1.PersistentVolume) {
	volume.Spec.AccessModes, claim.Spec.VolumeName = claim.Spec.AccessModes, volume.Name
	volume.Spec.ClaimRef = &corev1.ObjectReference{Kind: "PersistentVolumeClaim", APIVersion: "v1", Namespace: claim.Namespace, Name: claim.Name}
	claim.Annotations = map[string]string{bindCompleted: "yes"}
}

func (s *scenarioBuilder) volume(name, class string) *corev1.PersistentVolume {
	volume := &corev1.PersistentVolume{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{seedKey: s.name}},
		Spec: corev1.PersistentVolumeSpec{
			Capacity: requests("storage", "10Gi"), StorageClassName: class,
			AccessModes:                   s.accessModes(),
			PersistentVolumeReclaimPolicy: corev1.PersistentVolumeReclaimRetain,
			PersistentVolumeSource:        corev1.PersistentVolumeSource{CSI: &corev1.CSIPersistentVolumeSource{Driver: driver, VolumeHandle: name}},
		},
	}
	s.Volumes = append(s.Volumes, volume)
	return volume
}

func (s *scenarioBuilder) localVolume(name string, class *storagev1.StorageClass) {
	volume := s.volume(name, class.Name)
	volume.Spec.PersistentVolumeSource = corev1.PersistentVolumeSource{Local: &corev1.LocalVolumeSource{Path: "/" + name}}
	volume.Spec.NodeAffinity = onlyWhere(corev1.LabelHostname, oneOf(s.rng, s.Nodes...).Name)
	volume.Spec.Capacity = corev1.ResourceList{corev1.ResourceStorage: oneOf(s.rng, resource.MustParse("1Gi"), resource.MustParse("9Gi"))}
}

func onlyWhere(label, value string) *corev1.VolumeNodeAffinity {
	return &corev1.VolumeNodeAffinity{Required: &corev1.NodeSelector{NodeSelectorTerms: []corev1.NodeSelectorTerm{{
		MatchExpressions: []corev1.NodeSelectorRequirement{{Key: label, Operator: corev1.NodeSelectorOpIn, Values: []string{value}}},
	}}}}
}

// mountClaims mounts claims of the pod's namespace, and sometimes one that does not exist.
func (s *scenarioBuilder) mountClaims(pod *corev1.Pod) {
	if s.oneIn(20) {
		mountClaim(pod, "missing")
		return
	}
	if len(s.Claims) == 0 {
		return
	}
	for range 1 + s.IntN(2) {
		// Most of the claims are in the first namespace, as most of the pods.
		if claim := oneOf(s.rng, s.Claims...); claim.Namespace == pod.Namespace {
			mountClaim(pod, claim.Name)
		}
	}
}

// mountDisk mounts a disk that two pods on one node cannot share.
func (s *scenarioBuilder) mountDisk(pod *corev1.Pod) {
	mount(pod, corev1.VolumeSource{ISCSI: &corev1.ISCSIVolumeSource{
		TargetPortal: "10.0.0.1:3260", IQN: oneOf(s.rng, "iqn.2026-01.com.example:one", "iqn.2026-01.com.example:two"), Lun: 0, ReadOnly: s.oneIn(4),
	}})
}

func mountClaim(pod *corev1.Pod, name string) {
	mount(pod, corev1.VolumeSource{PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: name}})
}

func mount(pod *corev1.Pod, source corev1.VolumeSource) {
	pod.Spec.Volumes = append(pod.Spec.Volumes, corev1.Volume{Name: fmt.Sprint("volume-", len(pod.Spec.Volumes)), VolumeSource: source})
}
