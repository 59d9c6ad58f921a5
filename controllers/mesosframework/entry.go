package mesosframework

import (
	"sync"
	"time"

	"github.com/k8sm/k8sm/controllers/sessions"
)

// sessionEntry is a session that the Reconciler started, and what it was started with. Only
// the Reconciler uses it, for one framework at a time.
type sessionEntry struct {
	*sessions.Entry
	spec      sessionSpec
	startedAt time.Time
	// failovers counts the sessions directly before this one that another scheduler ended.
	failovers int
	// failedOverAt is when another scheduler was seen to have ended this session; zero if
	// none did.
	failedOverAt time.Time
	// openAccess is what the master answered that was asked last.
	openAccess openAccess
}

// frameworkID returns the ID that the session uses, "" while it has none.
func (e *sessionEntry) frameworkID() string {
	if id := e.State().FrameworkID; id != "" {
		return id
	}
	return e.spec.info.ID
}

// sessionEntries holds the entries by the names of their MesosFrameworks.
type sessionEntries struct {
	mu     sync.Mutex
	byName map[string]*sessionEntry
}

func (s *sessionEntries) set(name string, entry *sessionEntry) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.byName == nil {
		s.byName = map[string]*sessionEntry{}
	}
	s.byName[name] = entry
}

// get returns the entry of the running session, nil if that is nil or another one.
func (s *sessionEntries) get(name string, running *sessions.Entry) *sessionEntry {
	s.mu.Lock()
	defer s.mu.Unlock()
	if entry := s.byName[name]; entry != nil && entry.Entry == running {
		return entry
	}
	return nil
}

func (s *sessionEntries) remove(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.byName, name)
}
