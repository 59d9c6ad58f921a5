package nodemodel

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/k8sm/k8sm/api/v1alpha1"
)

func TestNodesOfOneAgeDoNotExpireTogether(t *testing.T) {
	pool := &v1alpha1.MesosNodePool{}
	pool.Spec.Disruption.ExpireAfter = &metav1.Duration{Duration: 100 * time.Hour}
	seen := map[time.Time]bool{}
	for _, uid := range []types.UID{"a", "b", "c", "d", "e", "f", "g", "h"} {
		n := &v1alpha1.MesosNode{ObjectMeta: metav1.ObjectMeta{UID: uid, CreationTimestamp: metav1.NewTime(noon)}}
		at := ExpiresAt(pool, n)
		if age := at.Sub(noon); age < 90*time.Hour || age > 100*time.Hour {
			t.Errorf("%s expires at an age of %s", uid, age)
		}
		if !ExpiresAt(pool, n).Equal(at) {
			t.Errorf("%s expires at another time when it is asked again", uid)
		}
		seen[at] = true
	}
	if len(seen) < 7 {
		t.Errorf("eight nodes expire at %d times", len(seen))
	}
}

func TestNodesDoNotExpireUnlessThePoolSaysWhen(t *testing.T) {
	n := &v1alpha1.MesosNode{ObjectMeta: metav1.ObjectMeta{UID: "a", CreationTimestamp: metav1.NewTime(noon)}}
	if at := ExpiresAt(&v1alpha1.MesosNodePool{}, n); !at.IsZero() {
		t.Errorf("it expires at %s", at)
	}
}
