package taskrecord

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/controllers/patch"
)

// The framework ID connects running tasks to the MesosNodes that record them. It is stored
// twice, in the status and in an annotation, so that the loss of one can be noticed. The
// order of the two writes is such that a crash between them loses nothing: the status is
// written first and cleared last.

// StoreFrameworkID stores the ID that the master gave, or that the spec names. A stored ID
// is never replaced by another one that the spec does not name, because running nodes belong
// to it. After a crash between the two writes the ID is in the status, and the next start
// writes the annotation.
func (s *Store) StoreFrameworkID(ctx context.Context, id string) error {
	return s.changeFramework(ctx, "storing the framework ID", func(object *v1alpha1.MesosFramework) error {
		if stored := object.Status.FrameworkID; stored != "" && stored != id && object.Spec.FrameworkID != id {
			return fmt.Errorf("storing the framework ID %s: MesosFramework %s has the ID %s", id, s.framework, stored)
		}
		if err := s.patchStatusID(ctx, object, id); err != nil {
			return err
		}
		return s.patchAnnotatedID(ctx, object, id)
	})
}

// ClearFrameworkID forgets this ID, and no other one. The annotation is cleared first: as
// long as the status has the ID, a new start learns again from Mesos that it was removed.
func (s *Store) ClearFrameworkID(ctx context.Context, id string) error {
	return s.changeFramework(ctx, "giving up the framework ID", func(object *v1alpha1.MesosFramework) error {
		if object.Status.FrameworkID != id {
			return nil
		}
		if err := s.patchAnnotatedID(ctx, object, ""); err != nil {
			return err
		}
		return s.patchStatusID(ctx, object, "")
	})
}

// changeFramework applies a change to the MesosFramework as the API server has it now, and
// again after a conflict.
func (s *Store) changeFramework(ctx context.Context, doing string, change func(*v1alpha1.MesosFramework) error) error {
	for range maxTries {
		object := &v1alpha1.MesosFramework{}
		if err := s.Live.Get(ctx, client.ObjectKey{Name: s.framework}, object); err != nil {
			return fmt.Errorf("%s: %w", doing, err)
		}
		if err := change(object); !apierrors.IsConflict(err) {
			return err
		}
	}
	return fmt.Errorf("%s: too many conflicts", doing)
}

func (s *Store) patchStatusID(ctx context.Context, object *v1alpha1.MesosFramework, id string) error {
	if object.Status.FrameworkID == id {
		return nil
	}
	before := object.DeepCopy()
	object.Status.FrameworkID = id
	return patch.Status(ctx, s.Client, before, object)
}

// patchAnnotatedID sets the annotation, or removes it if the ID is empty.
func (s *Store) patchAnnotatedID(ctx context.Context, object *v1alpha1.MesosFramework, id string) error {
	if object.Annotations[v1alpha1.AnnotationFrameworkID] == id {
		return nil
	}
	before := object.DeepCopy()
	delete(object.Annotations, v1alpha1.AnnotationFrameworkID)
	if id != "" {
		metav1.SetMetaDataAnnotation(&object.ObjectMeta, v1alpha1.AnnotationFrameworkID, id)
	}
	return patch.Object(ctx, s.Client, before, object)
}
