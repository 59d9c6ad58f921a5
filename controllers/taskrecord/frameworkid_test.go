package taskrecord

import (
	"context"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

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
