package nodenames

import (
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/k8sm/k8sm/api/v1alpha1"
)

func TestANodeThatComesBackIsDeletedAndReported(t *testing.T) {
	for name, providerID := range map[string]string{
		"with its old provider ID": "mesos://S1/general-x7k2p.99999999.1",
		"with none":                "",
		"with another one":         "aws:///eu/i-1",
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, newNode(providerID))
			f.setRemoved(nodeName, noon.Add(time.Hour))
			f.reconcileNode(nodeName)
			if f.exists(nodeName) {
				t.Error("the Node is still there")
			}
			select {
			case text := <-f.recorder.Events:
				if !strings.Contains(text, v1alpha1.EventRemovedNodeReturned) || !strings.Contains(text, "2026-03-01T13:00:00Z") {
					t.Errorf("the event is %q", text)
				}
			default:
				t.Error("nothing was reported")
			}
		})
	}
}

func TestANodeThatCannotBeDeletedIsReported(t *testing.T) {
	f := newFixture(t, newNode(""))
	f.forbidden = true
	f.setRemoved(nodeName, noon.Add(time.Hour))
	f.reconcileNode(nodeName)
	if text := <-f.recorder.Events; !strings.Contains(text, "could not be deleted") {
		t.Errorf("the event is %q", text)
	}
}

func TestANodeThatCameBackBeforeItsNameWasRecordedIsDeleted(t *testing.T) {
	f := newFixture(t, newNode(""))
	f.setRemoved(nodeName, noon.Add(time.Hour))
	f.reconcileName(nodeName)
	if f.exists(nodeName) {
		t.Error("the Node is still there")
	}
}

func TestOtherNodesAreLeftAlone(t *testing.T) {
	tests := map[string]struct {
		until  time.Time
		record bool
		live   bool
	}{
		"of a name that is not on record":               {},
		"of a live name":                                {until: noon.Add(time.Hour), live: true},
		"once the certificates have expired":            {until: noon},
		"of the MesosNode that has the name afterwards": {until: noon.Add(time.Hour), record: true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, newNode("mesos://S1/general-x7k2p.0f1e2d3c.1"))
			if test.record {
				if err := f.Names.Client.Create(t.Context(), newMesosNode()); err != nil {
					t.Fatal(err)
				}
			}
			switch {
			case test.live:
				if err := f.Names.SetLive(t.Context(), nodeName, test.until, false); err != nil {
					t.Fatal(err)
				}
			case !test.until.IsZero():
				f.setRemoved(nodeName, test.until)
			}
			f.reconcileNode(nodeName)
			if !f.exists(nodeName) {
				t.Error("the Node was deleted")
			}
		})
	}
}

func TestNamesAreForgottenInTime(t *testing.T) {
	f := newFixture(t)
	f.setRemoved(nodeName, noon.Add(time.Hour))
	if again := f.reconcileName(nodeName); again != time.Hour {
		t.Errorf("looks again after %s, want 1h", again)
	}
	f.now = noon.Add(time.Hour)
	f.reconcileName(nodeName)
	if _, known, _ := f.Names.Get(t.Context(), nodeName); known {
		t.Error("the name is still on record")
	}
	before := f.writes
	if again := f.reconcileName(nodeName); again != 0 || f.writes != before {
		t.Errorf("at rest looks again after %s, with %d writes", again, f.writes-before)
	}
}

func TestANameIsRemovedIfItsMesosNodeVanishes(t *testing.T) {
	f := newFixture(t, newMesosNode())
	if err := f.Names.SetLive(t.Context(), nodeName, noon.Add(time.Hour), false); err != nil {
		t.Fatal(err)
	}
	f.reconcileName(nodeName)
	if _, removed, _ := f.Names.IsRemoved(t.Context(), nodeName, noon); removed {
		t.Fatal("removed while its MesosNode exists")
	}
	if err := f.Names.Client.Delete(t.Context(), &v1alpha1.MesosNode{ObjectMeta: metav1.ObjectMeta{Name: nodeName}}); err != nil {
		t.Fatal(err)
	}
	f.reconcileName(nodeName)
	if _, removed, _ := f.Names.IsRemoved(t.Context(), nodeName, noon); !removed {
		t.Error("not removed")
	}
}

func TestOtherConfigMapsAreIgnored(t *testing.T) {
	f := newFixture(t)
	if requests := f.sameName(t.Context(), newNode("")); len(requests) != 1 || requests[0].Namespace != "" {
		t.Errorf("a Node leads to %v", requests)
	}
	request := f.shardOf(t.Context(), newMesosNode())[0]
	request.Name = "k8sm-node-runtime"
	if result, err := f.Reconcile(t.Context(), request); err != nil || result.RequeueAfter != 0 {
		t.Errorf("got %v, %v", result, err)
	}
}
