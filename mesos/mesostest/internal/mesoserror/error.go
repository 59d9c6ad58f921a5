// Package mesoserror is for errors with the exact messages of a real Mesos.
//
// Clients read them. They keep Mesos' capitals and full stops, against Go's customs.
package mesoserror

import "fmt"

// Error is an error with a message of Mesos.
type Error string

// Error returns the message.
func (e Error) Error() string { return string(e) }

// Errorf formats an Error.
func Errorf(format string, args ...any) error { return Error(fmt.Sprintf(format, args...)) }
