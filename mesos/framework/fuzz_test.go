package framework_test

import (
	"testing"
	"time"

	mesos "github.com/mesos/mesos-go/api/v1/lib"
	"github.com/mesos/mesos-go/api/v1/lib/scheduler"

	"github.com/k8sm/k8sm/mesos/framework"
)

// FuzzStep feeds a core with events of any kind and content, in any order: it may give
// up a stream, and must not panic.
func FuzzStep(f *testing.F) {
	for _, e := range []*scheduler.Event{
		{Type: scheduler.Event_OFFERS, Offers: &scheduler.Event_Offers{Offers: []mesos.Offer{{ID: mesos.OfferID{Value: "O1"}}}}},
		{Type: scheduler.Event_RESCIND},
		{Type: scheduler.Event_FAILURE},
		{Type: scheduler.Event_ERROR, Error: &scheduler.Event_Error{Message: "Framework failed over"}},
		running(1, "u1"),
	} {
		b, err := e.Marshal()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b, true)
		f.Add(b, false)
	}
	f.Fuzz(func(t *testing.T, record []byte, subscribed bool) {
		var e scheduler.Event
		if !decodes(&e, record) {
			return
		}
		c, err := framework.New(framework.Config{Info: framework.Info{Name: "k8sm", Roles: []string{"k8sm"}}})
		if err != nil {
			t.Fatal(err)
		}
		now := epoch
		c.Tick(now)
		if subscribed {
			c.Step(now, &scheduler.Event{Type: scheduler.Event_SUBSCRIBED, Subscribed: &scheduler.Event_Subscribed{FrameworkID: &mesos.FrameworkID{Value: "F1"}}})
			c.IDStored(now, nil)
		}
		for range 20 {
			c.Step(now, &e)
			for c.HasReady() {
				r := c.Ready()
				c.Advance()
				for _, in := range r.Intents {
					c.Prepared(now, in.TaskID, payload, nil)
				}
				for _, st := range r.Statuses {
					c.Recorded(now, st.TaskID, framework.ErrUnknownTask)
				}
			}
			now = now.Add(time.Second)
			c.Tick(now)
		}
	})
}

// decodes says that bytes are an event; the library's decoder panics at some.
func decodes(e *scheduler.Event, record []byte) (ok bool) {
	defer func() {
		if recover() != nil {
			ok = false
		}
	}()
	return e.Unmarshal(record) == nil
}
