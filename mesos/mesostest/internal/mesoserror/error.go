// Package mesoserror has the type of errors in the words of a real Mesos.
//
// Clients read them, so that they keep Mesos' capitals and full stops.
package mesoserror

import "fmt"

// Error are an error in the words of a real Mesos, for clients to read. Whatever
// its words are: capitals and full stops, too.
type Error string

func (w Error) Error() string { return string(w) }

func Errorf(format string, args ...any) error { return Error(fmt.Sprintf(format, args...)) }
