package mesosframework

import (
	"testing"

	"github.com/k8sm/k8sm/controllers/sessions"
	"github.com/k8sm/k8sm/mesos/scheduler"
	"github.com/k8sm/k8sm/mesos/session"
)

func TestEntriesAreThoseOfTheRunningSession(t *testing.T) {
	var entries sessionEntries
	first, second := &sessions.Entry{}, &sessions.Entry{}
	if entries.get("default", first) != nil {
		t.Error("there is an entry before one was set")
	}
	entry := &sessionEntry{Entry: first}
	entries.set("default", entry)
	for name, test := range map[string]struct {
		framework string
		running   *sessions.Entry
		want      *sessionEntry
	}{
		"the session itself":                {"default", first, entry},
		"another session of that framework": {"default", second, nil},
		"no session":                        {"default", nil, nil},
		"another framework":                 {"other", first, nil},
	} {
		if got := entries.get(test.framework, test.running); got != test.want {
			t.Errorf("%s: got %v", name, got)
		}
	}
	entries.remove("default")
	if entries.get("default", first) != nil {
		t.Error("the entry is still there after its removal")
	}
}

func TestTheIDOfASessionIsThatOfTheMasterOnceItHasOne(t *testing.T) {
	for name, test := range map[string]struct{ configured, given, want string }{
		"a first registration, not subscribed": {},
		"a first registration, subscribed":     {given: "f-1", want: "f-1"},
		"a known ID, not subscribed":           {configured: "f-1", want: "f-1"},
		"a known ID, subscribed":               {configured: "f-1", given: "f-1", want: "f-1"},
	} {
		e := &sessionEntry{
			Entry: &sessions.Entry{Session: &fakeSession{state: session.State{FrameworkID: test.given}}},
			spec:  sessionSpec{info: scheduler.Info{ID: test.configured}},
		}
		if got := e.frameworkID(); got != test.want {
			t.Errorf("%s: got %q, want %q", name, got, test.want)
		}
	}
}
