package detach

import (
	"context"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/k8sm/k8sm/controllers/drain"
	"github.com/k8sm/k8sm/controllers/podstate"
)

// fieldNodeName indexes VolumeAttachments by the name of their node.
const fieldNodeName = "spec.nodeName"

// Volumes reads which volumes are attached.
type Volumes struct {
	// Cache holds VolumeAttachments, indexed by Index.
	Cache client.Reader
	// Live reads pods and claims from the API server. They are read only for nodes that
	// are drained and have volumes attached.
	Live client.Reader
}

// Index makes the VolumeAttachments of a node selectable in the cache. It is called once,
// before the cache is started.
func Index(ctx context.Context, indexer client.FieldIndexer) error {
	if err := indexer.IndexField(ctx, &storagev1.VolumeAttachment{}, fieldNodeName, NodeNames); err != nil {
		return fmt.Errorf("indexing VolumeAttachments: %w", err)
	}
	return nil
}

// NodeNames returns the name of the node of a VolumeAttachment.
func NodeNames(object client.Object) []string {
	if a, ok := object.(*storagev1.VolumeAttachment); ok {
		return []string{a.Spec.NodeName}
	}
	return nil
}

// Attached returns the names of the PersistentVolumes that are attached to the node, in order.
// An inline volume has the name of its VolumeAttachment.
func (v Volumes) Attached(ctx context.Context, node string) ([]string, error) {
	var attachments storagev1.VolumeAttachmentList
	if err := v.Cache.List(ctx, &attachments, client.MatchingFields{fieldNodeName: node}); err != nil {
		return nil, fmt.Errorf("listing the volumes attached to node %s: %w", node, err)
	}
	var names []string
	for i := range attachments.Items {
		names = append(names, volumeOf(&attachments.Items[i]))
	}
	slices.Sort(names)
	return names, nil
}

// Detaching returns the names of the volumes that are attached to the node although no pod
// that is left on it uses them: the kubelet unmounts them and the control plane detaches
// them while the kubelet lives. Volumes of pods that a drain leaves, such as those of
// DaemonSets, are not among them.
func (v Volumes) Detaching(ctx context.Context, node string) ([]string, error) {
	attached, err := v.Attached(ctx, node)
	if err != nil || len(attached) == 0 {
		return nil, err
	}
	used, err := v.usedByPods(ctx, node)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(attached, func(name string) bool { return used[name] }), nil
}

// usedByPods returns the PersistentVolumes that pods on the node use.
func (v Volumes) usedByPods(ctx context.Context, node string) (map[string]bool, error) {
	var pods corev1.PodList
	if err := v.Live.List(ctx, &pods, client.MatchingFields{drain.FieldNodeName: node}); err != nil {
		return nil, fmt.Errorf("listing the pods of node %s: %w", node, err)
	}
	used := map[string]bool{}
	for i := range pods.Items {
		if podstate.HasEnded(&pods.Items[i]) {
			continue
		}
		for _, claim := range claimsOf(&pods.Items[i]) {
			var object corev1.PersistentVolumeClaim
			switch err := v.Live.Get(ctx, claim, &object); {
			case err == nil:
				used[object.Spec.VolumeName] = true
			case !apierrors.IsNotFound(err):
				return nil, fmt.Errorf("reading the PersistentVolumeClaim %s: %w", claim, err)
			}
		}
	}
	return used, nil
}

// claimsOf returns the PersistentVolumeClaims of a pod. The claim of an ephemeral volume has
// the names of the pod and of the volume.
func claimsOf(pod *corev1.Pod) (claims []client.ObjectKey) {
	for i := range pod.Spec.Volumes {
		switch v := &pod.Spec.Volumes[i]; {
		case v.PersistentVolumeClaim != nil:
			claims = append(claims, client.ObjectKey{Namespace: pod.Namespace, Name: v.PersistentVolumeClaim.ClaimName})
		case v.Ephemeral != nil:
			claims = append(claims, client.ObjectKey{Namespace: pod.Namespace, Name: pod.Name + "-" + v.Name})
		}
	}
	return claims
}

func volumeOf(a *storagev1.VolumeAttachment) string {
	if name := a.Spec.Source.PersistentVolumeName; name != nil {
		return *name
	}
	return a.Name
}
