package mesosframework

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/mesos/scheduler"
)

// A framework ID is what ties tasks that run to these records. To subscribe without one
// where there was one would leave the tasks to nobody, and launch them a second time.
// So it is kept in two places, status and annotation, and the records of tasks bear
// witness that there was one.

// underID decides under which ID a session is to subscribe: "" for a first registration.
// Alive counts the tasks on record that are not known to have ended.
func underID(object *v1alpha1.MesosFramework, alive int) (string, *problem) {
	stored, noted, wanted := object.Status.FrameworkID, object.Annotations[v1alpha1.AnnotationFrameworkID], object.Spec.FrameworkID
	switch {
	case wanted == "" && stored != "":
		return stored, nil
	case wanted == "" && noted != "":
		return "", lostID(fmt.Sprintf("its annotation %s says %s", v1alpha1.AnnotationFrameworkID, noted), noted)
	case wanted == "" && alive > 0:
		return "", lostID(fmt.Sprintf("%d of its MesosNodes have tasks that may run", alive), "the ID")
	case wanted == "" || wanted == stored || wanted == noted || alive == 0:
		return wanted, nil
	case stored == "" && noted == "":
		return wanted, nil
	}
	return "", conflictingID(wanted, or(stored, noted), alive)
}

func lostID(evidence, id string) *problem {
	return &problem{v1alpha1.ReasonFrameworkIDLost, fmt.Sprintf(
		"This framework was registered before (%s), and status.frameworkID is empty: a registration without the ID would leave its tasks behind. "+
			"Set spec.frameworkID to %s to go on with that registration, if no other cluster does; Mesos lists the frameworks that it knows under /frameworks.", evidence, id)}
}

func conflictingID(wanted, known string, alive int) *problem {
	return &problem{v1alpha1.ReasonFrameworkIDConflict, fmt.Sprintf(
		"spec.frameworkID is %s, and %d tasks that may run belong to framework %s: they would be left behind. "+
			"Set spec.frameworkID to %s, or take it away; or scale the pools to 0 first, then the ID is exchanged.", wanted, alive, known, known)}
}

// exchange tells whether a session is to end because spec.frameworkID names another ID
// than the one it is held under. The error is a *problem while tasks stand against it.
func (r *Reconciler) exchange(ctx context.Context, p *pass, running *conversation) (bool, error) {
	wanted, held := p.framework.Spec.FrameworkID, running.heldID()
	if wanted == "" || held == "" || wanted == held {
		return false, nil
	}
	tasks, err := r.tasks(ctx, p.framework.Name)
	if err != nil {
		return false, err
	}
	if len(tasks) > 0 {
		return false, conflictingID(wanted, held, len(tasks))
	}
	return true, nil
}

// heldID is the ID that the session is held under, "" while it has none.
func (c *conversation) heldID() string { return or(c.State().FrameworkID, c.terms.info.ID) }

// keepID writes down what the session knows and the records have lost.
func (r *Reconciler) keepID(ctx context.Context, p *pass, running *conversation) error {
	id, stored := running.heldID(), p.framework.Status.FrameworkID
	switch {
	case id == "" || running.State().Final:
		return nil
	case stored == id && p.framework.Annotations[v1alpha1.AnnotationFrameworkID] == id:
		return nil
	case stored != "" && stored != id && p.framework.Spec.FrameworkID != id:
		return &problem{v1alpha1.ReasonFrameworkIDConflict, fmt.Sprintf(
			"status.frameworkID is %s, and the session that is on is held under %s. Set spec.frameworkID to the one that the nodes run under.", stored, id)}
	}
	return r.store(p.framework.Name).StoreFrameworkID(ctx, id)
}

// recreate gives up the registration that Mesos has removed, in an order that may break
// off anywhere: first the end of every task is on record, then the ID goes from the
// annotation, then from the status. As long as the status has it, a new beginning is
// told of the removal again, and ends up here.
func (r *Reconciler) recreate(ctx context.Context, p *pass, running *conversation) error {
	if !r.Sessions.end(p.framework.Name) {
		return nil // its end brings us back, and until then it may write
	}
	removed := running.heldID()
	if err := r.bury(ctx, p.framework.Name); err != nil {
		return err
	}
	if err := r.store(p.framework.Name).giveUpID(ctx, removed); err != nil {
		return err
	}
	r.toldRecreated(p.framework, removed)
	return nil
}

// recreates tells whether a session's end is to be followed by another registration.
// An ID that the spec names is a person's to take back.
func recreates(object *v1alpha1.MesosFramework, running *conversation) bool {
	state := running.State()
	return state.Final && state.Reason == scheduler.FrameworkRemoved && object.DeletionTimestamp.IsZero() &&
		object.Spec.OnFrameworkRemoved == v1alpha1.FrameworkRemovedRecreate && object.Spec.FrameworkID != running.heldID()
}

// adoptID stores the ID that a session is about to subscribe under, and returns it with
// the tasks that it ties to us, all as the API server has them now.
func (r *Reconciler) adoptID(ctx context.Context, name string) (string, []scheduler.Task, error) {
	object := &v1alpha1.MesosFramework{}
	if err := r.Live.Get(ctx, client.ObjectKey{Name: name}, object); err != nil {
		return "", nil, fmt.Errorf("reading the framework ID: %w", err)
	}
	tasks, err := r.tasks(ctx, name)
	if err != nil {
		return "", nil, err
	}
	id, why := underID(object, len(tasks))
	if why != nil {
		return "", nil, why
	}
	if id != "" {
		err = r.store(name).StoreFrameworkID(ctx, id)
	}
	return id, tasks, err
}

// StoreFrameworkID keeps the ID that the master gave, or that the spec names. An ID that
// was stored is never replaced by another that the spec does not name: the nodes that
// run belong to it. The status is written first: a crash then leaves an ID that the next
// beginning notes a second time.
func (s *store) StoreFrameworkID(ctx context.Context, id string) error {
	return s.changeID(ctx, "storing the framework ID", func(object *v1alpha1.MesosFramework) error {
		if held := object.Status.FrameworkID; held != "" && held != id && object.Spec.FrameworkID != id {
			return fmt.Errorf("storing the framework ID %s: MesosFramework %s has the ID %s", id, s.framework, held)
		}
		if err := s.writeID(ctx, object, id); err != nil {
			return err
		}
		return s.noteID(ctx, object, id)
	})
}

// giveUpID forgets an ID, and no other: the annotation first, so that the status is
// what is left of it until the last.
func (s *store) giveUpID(ctx context.Context, id string) error {
	return s.changeID(ctx, "giving up the framework ID", func(object *v1alpha1.MesosFramework) error {
		if object.Status.FrameworkID != id {
			return nil
		}
		if err := s.noteID(ctx, object, ""); err != nil {
			return err
		}
		return s.writeID(ctx, object, "")
	})
}

// changeID has a change made of the MesosFramework as it is now, again after a conflict.
func (s *store) changeID(ctx context.Context, doing string, change func(*v1alpha1.MesosFramework) error) error {
	for range maxTries {
		object := &v1alpha1.MesosFramework{}
		if err := s.live.Get(ctx, client.ObjectKey{Name: s.framework}, object); err != nil {
			return fmt.Errorf("%s: %w", doing, err)
		}
		if err := change(object); !apierrors.IsConflict(err) {
			return err
		}
	}
	return fmt.Errorf("%s: too many conflicts", doing)
}

func (s *store) writeID(ctx context.Context, object *v1alpha1.MesosFramework, id string) error {
	if object.Status.FrameworkID == id {
		return nil
	}
	before := object.DeepCopy()
	object.Status.FrameworkID = id
	return s.client.Status().Patch(ctx, object, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}))
}

// noteID writes the annotation, or takes it away.
func (s *store) noteID(ctx context.Context, object *v1alpha1.MesosFramework, id string) error {
	if object.Annotations[v1alpha1.AnnotationFrameworkID] == id {
		return nil
	}
	before := object.DeepCopy()
	delete(object.Annotations, v1alpha1.AnnotationFrameworkID)
	if id != "" {
		metav1.SetMetaDataAnnotation(&object.ObjectMeta, v1alpha1.AnnotationFrameworkID, id)
	}
	return s.client.Patch(ctx, object, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}))
}
