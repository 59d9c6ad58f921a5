package detector

import (
	"errors"
	"sync"
)

// errLoginChanged ends a connection that was made with an earlier login.
var errLoginChanged = errors.New("the login has changed")

// Login is the user:password for ZooKeeper's digest scheme. It may be changed while a detector
// runs. Its methods may be called concurrently.
type Login struct {
	mu      sync.Mutex
	text    string
	changed chan struct{} // closed by the next change
}

// NewLogin returns a login; "" is none.
func NewLogin(text string) *Login { return &Login{text: text, changed: make(chan struct{})} }

// Set changes the login. A detector that uses it connects anew at once.
func (l *Login) Set(text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if text == l.text {
		return
	}
	l.text = text
	close(l.changed)
	l.changed = make(chan struct{})
}

// current returns the login, and a channel that is closed when it changes.
func (l *Login) current() (text string, changed <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text, l.changed
}
