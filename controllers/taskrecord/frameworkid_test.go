package taskrecord

import (
	"context"
	"errors"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/k8sm/k8sm/api/v1alpha1"
)

// withID stores the ID in status and annotation.
func withID(status, annotation string) func(*v1alpha1.MesosFramework) {
	return func(f *v1alpha1.MesosFramework) {
		f.Status.FrameworkID = status
		if annotation != "" {
			f.Annotations = map[string]string{v1alpha1.AnnotationFrameworkID: annotation}
		}
	}
}

// storedIDs returns status and annotation as "status/annotation".
func (c *cluster) storedIDs() string {
	f := c.framework()
	return f.Status.FrameworkID + "/" + f.Annotations[v1alpha1.AnnotationFrameworkID]
}

func TestStoreFrameworkID(t *testing.T) {
	ctx := context.Background()
	c := newCluster(t, newFramework())
	c.conflicts = 2
	for range 2 { // the second time it is there
		if err := c.store().StoreFrameworkID(ctx, "f-1"); err != nil {
			t.Fatal(err)
		}
	}
	if got := c.framework().Status.FrameworkID; got != "f-1" || c.writes != 3 {
		t.Errorf("the ID is %q after %d writes", got, c.writes)
	}
	if err := c.store().StoreFrameworkID(ctx, "f-2"); err == nil || c.framework().Status.FrameworkID != "f-1" {
		t.Errorf("the ID was replaced: %v", err)
	}
	c = newCluster(t)
	if err := c.store().StoreFrameworkID(ctx, "f-1"); !apierrors.IsNotFound(err) {
		t.Errorf("got %v, want not found", err)
	}
}

func TestWhichIDsAreReplaced(t *testing.T) {
	named := func(f *v1alpha1.MesosFramework) { f.Spec.FrameworkID = "f-2" }
	for name, test := range map[string]struct {
		changes []func(*v1alpha1.MesosFramework)
		want    string
		err     string
	}{
		"no ID is stored":                            {want: "f-2/f-2"},
		"only the status has the ID":                 {changes: []func(*v1alpha1.MesosFramework){withID("f-2", "")}, want: "f-2/f-2"},
		"only the annotation has the ID":             {changes: []func(*v1alpha1.MesosFramework){withID("", "f-2")}, want: "f-2/f-2"},
		"another ID, and the spec names the new one": {changes: []func(*v1alpha1.MesosFramework){withID("f-1", "f-1"), named}, want: "f-2/f-2"},
		"another ID, and the spec names none":        {changes: []func(*v1alpha1.MesosFramework){withID("f-1", "f-1")}, want: "f-1/f-1", err: "MesosFramework default has the ID f-1"},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCluster(t, newFramework(test.changes...))
			err := c.store().StoreFrameworkID(context.Background(), "f-2")
			if test.err == "" && err != nil || test.err != "" && (err == nil || !strings.Contains(err.Error(), test.err)) {
				t.Errorf("got %v, want %q", err, test.err)
			}
			if got := c.storedIDs(); got != test.want {
				t.Errorf("stored is %s, want %s", got, test.want)
			}
		})
	}
}

func TestClearFrameworkID(t *testing.T) {
	for name, test := range map[string]struct{ stored, want string }{
		"the removed ID": {"f-1", "/"},
		"another ID":     {"f-2", "f-2/f-2"},
	} {
		c := newCluster(t, newFramework(withID(test.stored, test.stored)))
		c.conflicts = 1
		for range 2 { // the second time nothing is left to do
			if err := c.store().ClearFrameworkID(context.Background(), "f-1"); err != nil {
				t.Fatal(err)
			}
		}
		if got := c.storedIDs(); got != test.want {
			t.Errorf("%s: stored is %s, want %s", name, got, test.want)
		}
	}
}

// The status is written first and cleared last, so that between the two writes the status has
// the ID.
func TestTheStatusHasTheIDBetweenTheTwoWrites(t *testing.T) {
	for name, change := range map[string]struct {
		framework *v1alpha1.MesosFramework
		do        func(*Store) error
	}{
		"store": {newFramework(), func(s *Store) error { return s.StoreFrameworkID(context.Background(), "f-1") }},
		"clear": {newFramework(withID("f-1", "f-1")), func(s *Store) error { return s.ClearFrameworkID(context.Background(), "f-1") }},
	} {
		c := newCluster(t, change.framework)
		c.failAt = 2
		if err := change.do(c.store()); !errors.Is(err, errFailed) {
			t.Fatalf("%s: got %v", name, err)
		}
		if got := c.storedIDs(); got != "f-1/" {
			t.Errorf("%s: after one write stored is %s", name, got)
		}
		c.failAt = 0
		if err := change.do(c.store()); err != nil {
			t.Fatalf("%s again: %v", name, err)
		}
		if got, want := c.storedIDs(), map[string]string{"store": "f-1/f-1", "clear": "/"}[name]; got != want {
			t.Errorf("%s again: stored is %s, want %s", name, got, want)
		}
	}
}

func TestConflictRetriesAreBounded(t *testing.T) {
	c := newCluster(t, newFramework(), newNode())
	for want, write := range map[string]func() error{
		"storing the framework ID: too many conflicts": func() error { return c.store().StoreFrameworkID(context.Background(), "f-1") },
		"writing the status of MesosNode " + nodeName + ": too many conflicts": func() error {
			_, err := c.store().Prepare(context.Background(), newIntent())
			return err
		},
	} {
		c.conflicts, c.writes = 1000, 0
		if err := write(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
		if c.writes < maxTries || c.writes > maxTries+1 {
			t.Errorf("%d writes were tried: %s", c.writes, want)
		}
	}
}
