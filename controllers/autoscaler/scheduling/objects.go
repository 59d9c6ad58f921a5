package scheduling

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/tools/cache"
)

// newInformerStores returns the stores of what plugins look up besides nodes and pods. Plugins
// accept only informers, so these are informers that are never started, and SetObject fills
// their stores.
func newInformerStores() informers.SharedInformerFactory {
	return informers.NewSharedInformerFactory(nil, 0)
}

func storeOf(objects informers.SharedInformerFactory, object runtime.Object) (cache.Indexer, error) {
	core, storage := objects.Core().V1(), objects.Storage().V1()
	switch object.(type) {
	case *corev1.Namespace:
		return core.Namespaces().Informer().GetIndexer(), nil
	case *corev1.PersistentVolume:
		return core.PersistentVolumes().Informer().GetIndexer(), nil
	case *corev1.PersistentVolumeClaim:
		return core.PersistentVolumeClaims().Informer().GetIndexer(), nil
	case *storagev1.StorageClass:
		return storage.StorageClasses().Informer().GetIndexer(), nil
	case *storagev1.CSINode:
		return storage.CSINodes().Informer().GetIndexer(), nil
	case *storagev1.CSIDriver:
		return storage.CSIDrivers().Informer().GetIndexer(), nil
	case *storagev1.CSIStorageCapacity:
		return storage.CSIStorageCapacities().Informer().GetIndexer(), nil
	case *storagev1.VolumeAttachment:
		return storage.VolumeAttachments().Informer().GetIndexer(), nil
	}
	return nil, fmt.Errorf("keeping %T: no plugin of the scheduler's looks at it", object)
}
