package differential

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/reference"
)

// selectedNode is the annotation by which the scheduler requests a volume from a provisioner.
const selectedNode = "volume.kubernetes.io/selected-node"

// bindVolumes does the work of a provisioner and of the volume controller: it creates the volumes
// that the scheduler requests, and confirms those that it chose. After an error the pod is not bound
// in time, which the trial reports.
func (c *ControlPlane) bindVolumes(ctx context.Context) error {
	core := c.informers.Core().V1()
	_, err := core.PersistentVolumeClaims().Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{
		UpdateFunc: func(_, object any) {
			if claim := object.(*corev1.PersistentVolumeClaim); claim.Spec.VolumeName == "" && claim.Annotations[selectedNode] != "" {
				go func() { _ = c.provision(ctx, claim) }()
			}
		},
	})
	if err != nil {
		return fmt.Errorf("watching claims: %w", err)
	}
	_, err = core.PersistentVolumes().Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{
		UpdateFunc: func(_, object any) {
			if volume := object.(*corev1.PersistentVolume); volume.Spec.ClaimRef != nil {
				go func() { _ = c.confirm(ctx, volume) }()
			}
		},
	})
	if err != nil {
		return fmt.Errorf("watching volumes: %w", err)
	}
	return nil
}

// provision creates a volume in the zone of the selected node.
func (c *ControlPlane) provision(ctx context.Context, claim *corev1.PersistentVolumeClaim) error {
	node, err := c.client.CoreV1().Nodes().Get(ctx, claim.Annotations[selectedNode], metav1.GetOptions{})
	if err != nil {
		return fmt.Errorf("getting the selected node: %w", err)
	}
	ref, err := reference.GetReference(scheme.Scheme, claim)
	if err != nil {
		return fmt.Errorf("referring to the claim: %w", err)
	}
	name := claim.Namespace + "-" + claim.Name
	volume, err := c.client.CoreV1().PersistentVolumes().Create(ctx, &corev1.PersistentVolume{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: claim.Labels},
		Spec: corev1.PersistentVolumeSpec{
			Capacity: claim.Spec.Resources.Requests, AccessModes: claim.Spec.AccessModes, StorageClassName: *claim.Spec.StorageClassName,
			ClaimRef: ref, NodeAffinity: onlyWhere(corev1.LabelTopologyZone, node.Labels[corev1.LabelTopologyZone]),
			PersistentVolumeReclaimPolicy: corev1.PersistentVolumeReclaimRetain,
			PersistentVolumeSource:        corev1.PersistentVolumeSource{CSI: &corev1.CSIPersistentVolumeSource{Driver: driver, VolumeHandle: name}},
		},
	}, metav1.CreateOptions{})
	if err != nil {
		return fmt.Errorf("creating the volume: %w", err)
	}
	return c.confirm(ctx, volume)
}

// confirm binds the claim to the volume.
func (c *ControlPlane) confirm(ctx context.Context, volume *corev1.PersistentVolume) error {
	ref := volume.Spec.ClaimRef
	claims := c.client.CoreV1().PersistentVolumeClaims(ref.Namespace)
	claim, err := claims.Get(ctx, ref.Name, metav1.GetOptions{})
	if err != nil {
		return fmt.Errorf("getting the claim: %w", err)
	}
	if claim.Spec.VolumeName != "" {
		return nil
	}
	claim.Spec.VolumeName = volume.Name
	metav1.SetMetaDataAnnotation(&claim.ObjectMeta, bindCompleted, "yes")
	if _, err = claims.Update(ctx, claim, metav1.UpdateOptions{}); err != nil {
		return fmt.Errorf("binding the claim: %w", err)
	}
	return nil
}
